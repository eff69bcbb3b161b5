# An application for Puma.
run lambda { |env|
  sleep env['QUERY_STRING'][/\d+/].to_i / 1000.0
  [200, {}, [%({"pid": #{Process.pid}})]]
}
