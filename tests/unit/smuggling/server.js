// Says on standard output which requests it took, when it has all of them; standard error is quiet.
const http = require('http');

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const body = Buffer.concat(pieces).toString('base64');
    const taken = { id: request.headers['x-request-id'] || '', method: request.method, target: request.url, body };
    process.stdout.write(JSON.stringify(taken) + '\n');
    response.end(taken.id);
  });
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => process.stdout.write(JSON.stringify({ port: server.address().port }) + '\n'));
