// A server that begins to wait on descriptor 3 late, and tells on descriptor 4 when (see server.py).
const fs = require('fs');
const net = require('net');

setTimeout(() => {
  fs.writeSync(4, `${process.hrtime.bigint()}\n`);
  net.createServer((connection) => connection.end('hi')).listen({ fd: 3 });
}, 300);
