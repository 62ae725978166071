// Loaded before a server that listens on a port: ends it with its standard input, so that it never outlives whoever started it.
process.stdin.on("end", () => process.exit(0)).resume();
