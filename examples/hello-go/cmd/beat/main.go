// Command beat is the worker: it logs a heartbeat once a minute until it is told to end.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ticks := time.NewTicker(time.Minute)
	defer ticks.Stop()
	for beat := 1; ; beat++ {
		slog.Info("heartbeat", "number", beat, "dyno", os.Getenv("DYNO"))
		select {
		case <-ending.Done():
			return
		case <-ticks.C:
		}
	}
}
