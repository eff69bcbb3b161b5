// A server as anybody writes it: it binds its address itself, and drains on SIGTERM. Its argument is the address.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	server := http.Server{Addr: os.Args[1]}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		milliseconds, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		time.Sleep(time.Duration(milliseconds) * time.Millisecond)
		fmt.Fprintf(w, `{"pid": %d}`, os.Getpid())
	})
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	drained := make(chan struct{})
	go func() {
		<-stop.Done()
		server.Shutdown(context.Background())
		close(drained)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-drained
}
