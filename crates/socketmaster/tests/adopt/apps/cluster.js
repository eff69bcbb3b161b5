// Two workers behind Node's own cluster, whose primary holds the socket and hands each connection on.
'use strict';
const cluster = require('node:cluster');
const http = require('node:http');

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit()));
} else {
  process.on('SIGTERM', () => {}); // The primary says when.
  http.createServer((request, response) => response.end(`{"pid": ${process.pid}}`))
    .listen(Number(process.argv[2]), '127.0.0.1');
}
