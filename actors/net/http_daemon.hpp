// One instance of libmicrohttpd, driven by its owner's loop. A server has one, and for a while two
// when its certificate has changed.
//
// Owner     The server. Destruction closes its connections. @pre none of them is suspended
// Threads   One at a time: who starts it may hand it over to the thread that runs it.

#pragma once

#include "actors/net/http_server.hpp"

#include <chrono>
#include <memory>
#include <optional>

struct MHD_Daemon;
struct MHD_Connection;

namespace larql::actors {

class http_daemon {
public:
  /// What the library tells, in the thread that runs it.
  class events {
  public:
    virtual ~events() = default;
    /// A connection was accepted, or is about to be closed.
    virtual void on_open(MHD_Connection* connection, int fd) = 0;
    virtual void on_close(int fd) = 0;
    /// Headers; then, with the same `context`, pieces of the body; then nothing more. False closes
    /// the connection.
    [[nodiscard]] virtual bool on_request(MHD_Connection* connection, const char* path,
                                          const char* method, const char* version,
                                          std::string_view body, void** context) = 0;
    /// The request is over; `context` is not used again.
    virtual void on_done(void* context, bool complete) = 0;
  };

  /// Accepts on a copy of the listening descriptor.
  [[nodiscard]] static result<std::unique_ptr<http_daemon>>
  start(int listening, const http_server_options& options, events& to);
  ~http_daemon();
  http_daemon(const http_daemon&) = delete;
  http_daemon& operator=(const http_daemon&) = delete;

  /// Becomes readable when there is something to do.
  [[nodiscard]] int epoll_fd() const;
  /// When to run at the latest.
  [[nodiscard]] std::optional<std::chrono::milliseconds> timeout() const;
  void run();
  /// Accepts nothing more.
  void quiesce();
  [[nodiscard]] bool is_quiet() const noexcept { return is_quiet_; }
  [[nodiscard]] unsigned connections() const;

private:
  explicit http_daemon(events& to) : to_(to) {}
  struct callbacks;

  events& to_;
  MHD_Daemon* daemon_ = nullptr;
  bool is_quiet_ = false;
  std::string said_; // by the library while it started
};

} // namespace larql::actors
