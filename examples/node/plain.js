// A server that opens its own port and knows nothing of socketmaster. Behind it: socketmaster run -- node plain.js
const http = require('http');

const server = http.createServer((request, response) => {
  setTimeout(() => response.end(`version 1, pid ${process.pid}\n`), 3000);
});
server.listen(8080);
process.on('SIGTERM', () => server.close()); // Accepts no more; the process ends with the last answer.
