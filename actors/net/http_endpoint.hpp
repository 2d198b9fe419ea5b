// A small HTTP/1.1 server for what monitoring asks: GET and HEAD of a few short documents. One
// request a connection, no bodies, no files.
//
// Owner     Its caller. The destructor closes every connection and waits for the endpoint's thread:
//           at most 50 ms and one answer.
// Blocking  The handler runs on the one thread, so it must be quick.
// Failure   A connection that takes longer than the deadline, however busily it sends, is closed.
//           While all places are taken the slow ones are closed earlier, so that a flood of them
//           delays an honest request by a moment. Headers beyond the memory of a connection are
//           answered with an error, other methods with 405.
// Threads   One of its own; the handler is called by no other.

#pragma once

#include "actors/net/socket.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

struct MHD_Daemon; // libmicrohttpd's own name, so that its header stays out of ours

namespace larql::actors {

struct http_answer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct http_options {
  unsigned max_connections = 128;
  std::size_t connection_bytes = 16 << 10; ///< request line and headers, and the buffer of answers
  std::chrono::milliseconds deadline{10000}; ///< for one connection, from accept to its end
  /// The same while every place is taken.
  std::chrono::milliseconds crowded_deadline{250};
};

class http_endpoint {
public:
  /// The path, without the query.
  using handler_fn = std::function<http_answer(std::string_view path)>;

  [[nodiscard]] static result<std::unique_ptr<http_endpoint>>
  start(socket listening, handler_fn handler, const http_options& options = {});
  ~http_endpoint();
  http_endpoint(const http_endpoint&) = delete;
  http_endpoint& operator=(const http_endpoint&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
  using clock = std::chrono::steady_clock;
  struct callbacks; // what libmicrohttpd calls

  http_endpoint(handler_fn handler, const http_options& options)
      : handler_(std::move(handler)), options_(options) {}
  void serve();
  void close_overdue();

  handler_fn handler_;
  http_options options_;
  std::uint16_t port_ = 0;
  MHD_Daemon* daemon_ = nullptr;
  std::map<int, clock::time_point> open_; ///< descriptor to when it was accepted; the thread's own
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

} // namespace larql::actors
