#include "actors/net/http_daemon.hpp"

#include "runtime/base/log.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <microhttpd.h>
#include <unistd.h>
#include <vector>

namespace larql::actors {

struct http_daemon::callbacks {
  // Only what is said while it starts: later lines are about single hostile connections.
  static void log(void* self, const char* format, va_list arguments) {
    auto& said = static_cast<http_daemon*>(self)->said_;
    char line[512];
    if (static_cast<http_daemon*>(self)->daemon_ == nullptr && said.size() < sizeof line &&
        std::vsnprintf(line, sizeof line, format, arguments) > 0)
      said += line;
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* path,
                               const char* method, const char* version, const char* data,
                               std::size_t* size, void** context) {
    try {
      const auto body = std::string_view{data, data == nullptr ? 0 : *size};
      const auto first = *context == nullptr;
      const auto ok = static_cast<http_daemon*>(self)->to_.on_request(connection, path, method,
                                                                      version, body, context);
      if (!first)
        *size = 0; // all of it was taken
      return ok ? MHD_YES : MHD_NO;
    } catch (const std::exception& e) { // memory
      log_warning("http", "{}: {}", one_line(path), e.what());
      return MHD_NO;
    }
  }

  static void on_done(void* self, MHD_Connection*, void** context,
                      MHD_RequestTerminationCode code) {
    if (*context == nullptr)
      return;
    static_cast<http_daemon*>(self)->to_.on_done(*context,
                                                 code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    *context = nullptr;
  }

  static void on_connection(void* self, MHD_Connection* connection, void**,
                            MHD_ConnectionNotificationCode what) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr)
      return;
    auto& to = static_cast<http_daemon*>(self)->to_;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
      to.on_open(connection, info->connect_fd);
    else
      to.on_close(info->connect_fd);
  }
};

result<std::unique_ptr<http_daemon>>
http_daemon::start(int listening, const http_server_options& options, events& to) {
  auto out = std::unique_ptr<http_daemon>{new http_daemon{to}};
  auto own = socket{::fcntl(listening, F_DUPFD_CLOEXEC, 0)};
  const auto flags = ::fcntl(own.fd(), F_GETFL);
  if (flags < 0 || ::fcntl(own.fd(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail(errc::io, "HTTP: cannot prepare the listening socket");
  auto how = static_cast<unsigned>(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME);
  auto tls = std::vector<MHD_OptionItem>{};
  if (const auto& c = options.certificate) {
    how |= MHD_USE_TLS;
    tls.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, const_cast<char*>(c->chain.c_str())});
    tls.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, const_cast<char*>(c->key.c_str())});
    tls.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0,
                   const_cast<char*>("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")});
  }
  tls.push_back({MHD_OPTION_END, 0, nullptr});
  // The logger first: it is told what is wrong with the options behind it.
  out->daemon_ = MHD_start_daemon(
      how, 0, nullptr, nullptr, &callbacks::on_request, out.get(), MHD_OPTION_EXTERNAL_LOGGER,
      &callbacks::log, out.get(), MHD_OPTION_LISTEN_SOCKET, own.fd(), MHD_OPTION_CONNECTION_LIMIT,
      options.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, options.connection_bytes,
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options.idle_timeout.count()),
      MHD_OPTION_NOTIFY_COMPLETED, &callbacks::on_done, out.get(), MHD_OPTION_NOTIFY_CONNECTION,
      &callbacks::on_connection, out.get(), MHD_OPTION_STRICT_FOR_CLIENT, 1,
      MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, tls.data(), MHD_OPTION_END);
  if (out->daemon_ == nullptr)
    return fail(errc::io, "HTTP: the server did not start: {}",
                out->said_.empty() ? "the library does not say why" : one_line(out->said_));
  (void) own.release(); // the daemon closes it
  return out;
}

http_daemon::~http_daemon() {
  if (daemon_ != nullptr)
    MHD_stop_daemon(daemon_);
}

int http_daemon::epoll_fd() const {
  const auto* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  return info == nullptr ? -1 : info->epoll_fd;
}

std::optional<std::chrono::milliseconds> http_daemon::timeout() const {
  auto ms = static_cast<unsigned long long>(0); // NOLINT: the library's type
  if (MHD_get_timeout(daemon_, &ms) != MHD_YES)
    return std::nullopt;
  return std::chrono::milliseconds{std::min<unsigned long long>(ms, 60'000)};
}

void http_daemon::run() {
  (void) MHD_run(daemon_);
}

void http_daemon::quiesce() {
  if (std::exchange(is_quiet_, true))
    return;
  if (const auto fd = MHD_quiesce_daemon(daemon_); fd >= 0)
    ::close(fd);
}

unsigned http_daemon::connections() const {
  const auto* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
  return info == nullptr ? 0 : info->num_connections;
}

} // namespace larql::actors
