// The reference: the original's five flags, read by Go's own flag package.
// Each line of stdin is a JSON array of arguments; each line of stdout says what Go made of them.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"os"
)

// Flags is what the flags say, and the words after them.
type Flags struct {
	Command string   `json:"command"`
	Listen  string   `json:"listen"`
	Start   int64    `json:"start"`
	Syslog  bool     `json:"syslog"`
	User    string   `json:"user"`
	Args    []string `json:"args"`
}

// parse answers "help", {"error": text} or {"flags": Flags}.
func parse(args []string) any {
	set := flag.NewFlagSet("socketmaster", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var flags Flags
	set.StringVar(&flags.Command, "command", "", "")
	set.StringVar(&flags.Listen, "listen", "tcp://:8080", "")
	set.Int64Var(&flags.Start, "start", 3000, "")
	set.BoolVar(&flags.Syslog, "syslog", false, "")
	set.StringVar(&flags.User, "user", "", "")
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return "help"
	}
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	flags.Args = append([]string{}, set.Args()...)
	return map[string]Flags{"flags": flags}
}

func main() {
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	for in.More() {
		var args []string
		if err := in.Decode(&args); err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(parse(args)); err != nil {
			log.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
