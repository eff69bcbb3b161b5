sub {
    my $body = "{\"pid\": $$}";
    [200, ['Content-Type' => 'application/json', 'Content-Length' => length $body], [$body]];
};
