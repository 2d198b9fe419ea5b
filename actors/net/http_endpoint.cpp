#include "actors/net/http_endpoint.hpp"

#include "runtime/base/log.hpp"

#include <fcntl.h>
#include <microhttpd.h>
#include <sys/socket.h>

namespace larql::actors {

namespace {

// How long ending takes at most, and how late a deadline is noticed.
constexpr auto poll_interval = std::chrono::milliseconds{50};

MHD_Result send(MHD_Connection* to, const http_answer& answer) {
  auto* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr)
    return MHD_NO; // closes the connection
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const auto queued = MHD_queue_response(to, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

// What the library says is about single hostile connections: not worth a line of the log each.
void ignore_log(void*, const char*, va_list) {}

} // namespace

struct http_endpoint::callbacks {
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* path,
                               const char* method, const char*, const char*, std::size_t*, void**) {
    const auto asked = std::string_view{method};
    try {
      if (asked != MHD_HTTP_METHOD_GET && asked != MHD_HTTP_METHOD_HEAD)
        return send(connection, {MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8",
                                 "only GET and HEAD are answered\n"});
      return send(connection, static_cast<http_endpoint*>(self)->handler_(path));
    } catch (const std::exception& e) { // memory
      log_warning("http", "{}: {}", path, e.what());
      return MHD_NO;
    }
  }

  static void on_connection(void* self, MHD_Connection* connection, void**,
                            MHD_ConnectionNotificationCode what) {
    auto& open = static_cast<http_endpoint*>(self)->open_;
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr)
      return;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
      open[info->connect_fd] = clock::now();
    else
      open.erase(info->connect_fd);
  }
};

result<std::unique_ptr<http_endpoint>> http_endpoint::start(socket listening, handler_fn handler,
                                                            const http_options& options) {
  auto out = std::unique_ptr<http_endpoint>{new http_endpoint{std::move(handler), options}};
  out->port_ = local_port(listening);
  const auto flags = ::fcntl(listening.fd(), F_GETFL);
  if (flags < 0 || ::fcntl(listening.fd(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail(errc::io, "HTTP: cannot prepare the listening socket");
  out->daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, &callbacks::on_request, out.get(),
      MHD_OPTION_EXTERNAL_LOGGER, &ignore_log, nullptr, MHD_OPTION_LISTEN_SOCKET, listening.fd(),
      MHD_OPTION_CONNECTION_LIMIT, options.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      options.connection_bytes, MHD_OPTION_NOTIFY_CONNECTION, &callbacks::on_connection, out.get(),
      MHD_OPTION_END);
  if (out->daemon_ == nullptr)
    return fail(errc::io, "HTTP: the server did not start");
  (void) listening.release(); // the daemon closes it
  try {
    out->thread_ = std::thread{[self = out.get()] { self->serve(); }};
  } catch (const std::system_error& e) {
    return fail(errc::io, "HTTP: cannot start a thread: {}", e.what());
  }
  return out;
}

http_endpoint::~http_endpoint() {
  stop_.store(true);
  if (thread_.joinable())
    thread_.join();
  if (daemon_ != nullptr)
    MHD_stop_daemon(daemon_);
}

void http_endpoint::serve() {
  while (!stop_.load()) {
    if (MHD_run_wait(daemon_, static_cast<std::int32_t>(poll_interval.count())) != MHD_YES)
      std::this_thread::sleep_for(poll_interval); // out of memory or descriptors: try again
    close_overdue();
  }
}

// The library's own timeout counts from the last byte, which a slow peer can put off for ever.
void http_endpoint::close_overdue() {
  const auto crowded = open_.size() >= options_.max_connections;
  const auto limit = crowded ? options_.crowded_deadline : options_.deadline;
  const auto now = clock::now();
  for (const auto& [fd, since] : open_)
    if (now - since >= limit)
      ::shutdown(fd, SHUT_RDWR); // the library sees the end and cleans up
}

} // namespace larql::actors
