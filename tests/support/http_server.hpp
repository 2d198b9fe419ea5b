// A small HTTP/1.1 server of this process on loopback, made for going wrong on command: answers of
// a handler, and faults that hit chosen requests.
//
//     auto s = http_server{[](const http_call& c) { return http_reply{200, c.target}; }};
//     s.add_fault({.target = "/file", .cut_after = 1000});
//
// Every request is remembered with what became of it.
//
// Threads   One per connection; the handler is called by them, one call at a time.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace larql::test {

struct http_call {
  std::string method;
  std::string target;                         ///< path and query
  std::map<std::string, std::string> headers; ///< names in lower case
  std::string body;
  std::uint64_t sent_bytes = 0; ///< of the answer's body

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string{} : it->second;
  }
};

struct http_reply {
  int status = 200;
  std::string body;
  std::vector<std::string> headers; ///< "Name: value"
  bool ranges = false;              ///< answer Range headers with a part of the body
};

/// What goes wrong with requests whose target contains `target`.
struct http_fault {
  std::string target;
  std::string method = {}; ///< empty: any
  unsigned skip = 0;       ///< leave so many alone first
  unsigned times = 1;      ///< then hit so many
  int status = 0;          ///< answer this instead; 0: the handler's answer
  std::vector<std::string> headers = {};
  std::string body = {};
  std::optional<std::uint64_t> cut_after = {}; ///< close after so many bytes of the body
  bool stall = false;                          ///< at `cut_after`, stay silent instead of closing
  bool flip = false;                           ///< change a bit in the middle of the body
  bool ignore_range = false;
  std::chrono::milliseconds per_block{0}; ///< pause after each 16 kB
};

class http_server {
public:
  using handler = std::function<http_reply(const http_call&)>;

  explicit http_server(handler answer);
  ~http_server();
  http_server(const http_server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// "http://127.0.0.1:4711"
  [[nodiscard]] std::string url() const;

  void add_fault(http_fault f);
  void clear_faults();

  [[nodiscard]] std::vector<http_call> calls() const;
  /// Requests whose target contains the text.
  [[nodiscard]] std::size_t count(const std::string& part) const;
  /// Bytes of bodies sent so far.
  [[nodiscard]] std::uint64_t sent_bytes() const;
  void forget_calls();
  /// Waits until that many bytes of bodies went out; false if it takes too long.
  [[nodiscard]] bool wait_for_sent(std::uint64_t bytes) const;

private:
  void accept_loop();
  void serve(int fd);
  bool answer(int fd, http_call call);
  std::optional<http_fault> take_fault(const http_call& call);
  bool send_body(int fd, std::size_t id, const std::string& body, const http_fault& f);
  void count_sent(std::size_t id, std::uint64_t bytes);

  handler handler_;
  int listen_fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::mutex handler_mutex_;
  mutable std::mutex mutex_; // guards what follows
  mutable std::condition_variable changed_;
  bool ending_ = false;
  std::list<std::thread> connections_;
  std::vector<int> fds_;
  std::vector<http_fault> faults_;
  std::vector<http_call> calls_;
  std::uint64_t sent_bytes_ = 0;
};

} // namespace larql::test
