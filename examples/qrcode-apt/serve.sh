#!/bin/bash
# Waits on $PORT, and starts answer.sh for each connection.
exec socat "TCP-LISTEN:$PORT,fork,reuseaddr" EXEC:./answer.sh,nofork
