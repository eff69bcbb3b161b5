<?php
// A page for PHP's built-in server.
$body = '{"pid": ' . getmypid() . '}';
header('Content-Length: ' . strlen($body));
echo $body;
