// Command inorder wakes goroutines that wait for the network, all before the runtime
// looks, and prints in which order they ran.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const all = 16

func main() {
	runtime.GOMAXPROCS(1)
	var done sync.WaitGroup
	var order []int // one processor: nobody writes beside another
	var ends []uintptr
	for i := range all {
		read, write, err := os.Pipe()
		if err != nil {
			panic(err)
		}
		ends = append(ends, write.Fd())
		done.Go(func() {
			if _, err := read.Read(make([]byte, 1)); err != nil {
				panic(err)
			}
			order = append(order, i)
		})
		defer write.Close()
	}
	time.Sleep(50 * time.Millisecond) // all of them wait
	b := byte(1)
	for _, fd := range ends {
		// Raw: the runtime gets no say in between.
		if _, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&b)), 1); errno != 0 {
			panic(errno)
		}
	}
	done.Wait()
	fmt.Println(order)
}
