# A server that sends einhorn's ACK as YAML when there is a file of this name. The escapes are those of einhorn's wire
# format; the YAML and its spelling are Ruby's own.

require 'socket'
require 'yaml'
listener = Socket.for_fd(ENV['EINHORN_FD_0'].to_i)
abort unless ENV['EINHORN_MASTER_PID'].to_i == Process.ppid
Thread.new do
  loop do
    client, _ = listener.accept
    client.readpartial(4096)
    client.write("HTTP/1.0 200 OK\r\n\r\n{}")
    client.close
  end
end
sleep 0.01 until File.exist?(ARGV[0])
puts 'acking'
STDOUT.flush
ack = YAML.dump({ 'command' => 'worker:ack', 'pid' => $$ })
UNIXSocket.open(ENV['EINHORN_SOCK_PATH']) do |master|
  master.write(ack.gsub(/%|\n/, '%' => '%25', "\n" => '%0A') + "\n")
end
sleep
