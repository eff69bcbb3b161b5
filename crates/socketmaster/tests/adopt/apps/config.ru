# An application for Puma.
run lambda { |env|
  sleep Rack::Utils.parse_query(env['QUERY_STRING']).fetch('ms', 0).to_i / 1000.0
  [200, {}, [%({"pid": #{Process.pid}})]]
}
