// A server that takes its listening socket from descriptor 3 and drains on SIGTERM. Build it and run it by
//
//	go build -o mygoapp . && socketmaster -listen tcp://:7008 -command=./mygoapp
//
// then change it, build it again and reload by `kill -HUP` of socketmaster. DELAY_MS is how long an answer takes.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	delay := 3 * time.Second
	if text, set := os.LookupEnv("DELAY_MS"); set {
		milliseconds, err := strconv.Atoi(text)
		if err != nil {
			log.Fatalf("DELAY_MS=%s is not a number of milliseconds", text)
		}
		delay = time.Duration(milliseconds) * time.Millisecond
	}
	file := os.NewFile(3, "listener")
	listener, err := net.FileListener(file)
	if err != nil {
		log.Fatalf("descriptor 3 is not a listening socket (%v); start this by socketmaster", err)
	}
	file.Close() // FileListener has its own duplicate.

	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"status\": \"success\", \"pid\": %d}\n", os.Getpid())
	})}
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	drained := make(chan struct{})
	go func() {
		<-stop.Done()
		srv.Shutdown(context.Background()) // Accepts no more, and waits for the open requests.
		close(drained)
	}()

	fmt.Println("listening...")
	if err := srv.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-drained // Serve returns at once when Shutdown begins.
}
