// A server that begins to wait on descriptor 3 late, and tells on descriptor 4 when (see server.py).
package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	time.Sleep(300 * time.Millisecond)
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)), 0) // CLOCK_MONOTONIC
	fmt.Fprintln(os.NewFile(4, "report"), now.Nano())
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		connection.Write([]byte("hi"))
		connection.Close()
	}
}
