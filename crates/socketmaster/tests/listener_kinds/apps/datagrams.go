// Answers each datagram with its pid and what came, on descriptor 3.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
)

func main() {
	socket, err := net.FilePacketConn(os.NewFile(3, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 2000)
	for {
		n, client, err := socket.ReadFrom(buffer)
		if err != nil {
			log.Fatal(err)
		}
		socket.WriteTo([]byte(fmt.Sprintf("%d %s", os.Getpid(), buffer[:n])), client)
	}
}
