#!/usr/bin/env node
// A server that takes its listening socket from descriptor 3 and drains on SIGTERM. Run it by
//
//     socketmaster -listen tcp://:7008 -command=./server.js
//
// then change it and reload by `kill -HUP` of socketmaster. DELAY_MS is how long an answer takes.
'use strict';
const http = require('node:http');

const delay = Number(process.env.DELAY_MS ?? 0);
let draining = false;

const server = http.createServer((request, response) => {
  setTimeout(() => {
    response.setHeader('Content-Type', 'application/json');
    if (draining) response.setHeader('Connection', 'close'); // Else the client could send one more on it.
    response.end(`{"status": "success", "pid": ${process.pid}}\n`);
  }, delay);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) {
  process.on(signal, () => {
    draining = true;
    server.close(); // Accepts no more; the process ends by itself with the last connection.
    server.closeIdleConnections();
  });
}

server.listen({ fd: 3 }, () => console.log('listening...'));
