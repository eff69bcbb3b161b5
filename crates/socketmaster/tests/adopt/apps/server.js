// A server as anybody writes it: it binds its address itself, and drains on SIGTERM. Its arguments are the port and, if
// it is not to be all addresses, the host.
'use strict';
const http = require('node:http');

const [port, host] = process.argv.slice(2);
const server = http.createServer((request, response) => {
  const ms = Number(new URL(request.url, 'http://host').searchParams.get('ms'));
  setTimeout(() => response.end(`{"pid": ${process.pid}}`), ms);
});
server.listen(Number(port), host);
process.on('SIGTERM', () => server.close());
