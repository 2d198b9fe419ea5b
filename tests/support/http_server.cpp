#include "tests/support/http_server.hpp"

#include "tests/support/child_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace larql::test {

namespace {

constexpr std::size_t block_bytes = 16 * 1024;
// Small, so that what a client did not take is not counted as sent.
constexpr int send_buffer_bytes = 64 * 1024;

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool receive_more(int fd, std::string& buffer) {
  char bytes[64 * 1024];
  const auto n = ::recv(fd, bytes, sizeof bytes, 0);
  if (n <= 0)
    return false;
  buffer.append(bytes, static_cast<std::size_t>(n));
  return true;
}

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

// Takes one request off the connection; nothing at its end.
std::optional<http_call> receive_call(int fd, std::string& buffer) {
  auto end = std::string::npos;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!receive_more(fd, buffer))
      return std::nullopt;
  auto out = http_call{};
  const auto head = buffer.substr(0, end);
  buffer.erase(0, end + 4);
  const auto line_end = std::min(head.find("\r\n"), head.size());
  const auto a = head.find(' '), b = head.find(' ', a + 1);
  out.method = head.substr(0, a);
  out.target = head.substr(a + 1, b - a - 1);
  for (auto at = line_end; at < head.size();) {
    at += 2;
    const auto next = std::min(head.find("\r\n", at), head.size());
    const auto line = head.substr(at, next - at);
    if (const auto colon = line.find(':'); colon != std::string::npos) {
      const auto value = line.find_first_not_of(' ', colon + 1);
      out.headers[lower(line.substr(0, colon))] =
          value == std::string::npos ? std::string{} : line.substr(value);
    }
    at = next;
  }
  const auto length = std::strtoull(out.header("content-length").c_str(), nullptr, 10);
  while (buffer.size() < length)
    if (!receive_more(fd, buffer))
      return std::nullopt;
  out.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return out;
}

// Cuts the body down to what a Range header asks for.
void apply_range(const http_call& call, http_reply& reply) {
  const auto range = call.header("range");
  const auto size = reply.body.size();
  unsigned long long first = 0, last = 0;
  if (!reply.ranges || reply.status != 200 ||
      std::sscanf(range.c_str(), "bytes=%llu-%llu", &first, &last) != 2)
    return;
  if (first >= size || last < first) {
    reply.status = 416;
    reply.headers.push_back(fmt::format("Content-Range: bytes */{}", size));
    reply.body.clear();
    return;
  }
  last = std::min<unsigned long long>(last, size - 1);
  reply.status = 206;
  reply.headers.push_back(fmt::format("Content-Range: bytes {}-{}/{}", first, last, size));
  reply.body = reply.body.substr(first, last - first + 1);
}

} // namespace

http_server::http_server(handler answer) : handler_(std::move(answer)) {
  listen_fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = sockaddr_in{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto length = socklen_t{sizeof address};
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listen_fd_, any, length) != 0 || ::listen(listen_fd_, 64) != 0 ||
      ::getsockname(listen_fd_, any, &length) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread{[this] { accept_loop(); }};
}

http_server::~http_server() {
  ::shutdown(listen_fd_, SHUT_RDWR);
  {
    const auto lock = std::lock_guard{mutex_};
    ending_ = true;
    for (const auto fd : fds_)
      ::shutdown(fd, SHUT_RDWR);
    changed_.notify_all();
  }
  acceptor_.join();
  for (auto& t : connections_)
    t.join();
  ::close(listen_fd_);
}

std::string http_server::url() const {
  return fmt::format("http://127.0.0.1:{}", port_);
}

void http_server::accept_loop() {
  for (;;) {
    const auto fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    const auto lock = std::lock_guard{mutex_};
    if (fd < 0 || ending_) {
      if (fd >= 0)
        ::close(fd);
      return;
    }
    const auto on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
    fds_.push_back(fd);
    connections_.emplace_back([this, fd] { serve(fd); });
  }
}

void http_server::serve(int fd) {
  auto buffer = std::string{};
  while (auto call = receive_call(fd, buffer))
    if (!answer(fd, *std::move(call)))
      break;
  const auto lock = std::lock_guard{mutex_};
  fds_.erase(std::remove(fds_.begin(), fds_.end(), fd), fds_.end());
  ::close(fd);
}

std::optional<http_fault> http_server::take_fault(const http_call& call) {
  const auto lock = std::lock_guard{mutex_};
  for (auto& f : faults_) {
    if (call.target.find(f.target) == std::string::npos ||
        (!f.method.empty() && f.method != call.method) || f.times == 0)
      continue;
    if (f.skip > 0) {
      --f.skip;
      continue;
    }
    --f.times;
    return f;
  }
  return std::nullopt;
}

bool http_server::answer(int fd, http_call call) {
  const auto fault = take_fault(call).value_or(http_fault{});
  auto reply = http_reply{};
  if (fault.status != 0) {
    reply = {fault.status, fault.body, fault.headers, false};
  } else {
    const auto lock = std::lock_guard{handler_mutex_};
    reply = handler_(call);
  }
  if (fault.ignore_range)
    reply.ranges = false;
  apply_range(call, reply);
  if (fault.flip && !reply.body.empty())
    reply.body[reply.body.size() / 2] ^= 1;
  auto head =
      fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\n", reply.status, reply.body.size());
  for (const auto& h : reply.headers)
    head += h + "\r\n";
  const auto is_head = call.method == "HEAD";
  auto id = std::size_t{0};
  {
    const auto lock = std::lock_guard{mutex_};
    id = calls_.size();
    calls_.push_back(std::move(call));
  }
  if (!send_all(fd, head + "\r\n"))
    return false;
  return is_head || send_body(fd, id, reply.body, fault);
}

bool http_server::send_body(int fd, std::size_t id, const std::string& body, const http_fault& f) {
  const auto limit = std::min<std::uint64_t>(f.cut_after.value_or(body.size()), body.size());
  for (auto at = std::uint64_t{0}; at < limit;) {
    const auto step = std::min<std::uint64_t>(block_bytes, limit - at);
    // Counted before it leaves: a client that has it all may ask for the count at once.
    count_sent(id, step);
    if (!send_all(fd, std::string_view{body}.substr(at, step)))
      return false;
    at += step;
    auto lock = std::unique_lock{mutex_};
    if (f.per_block.count() != 0) // a slow line
      changed_.wait_for(lock, f.per_block, [&] { return ending_; });
  }
  if (!f.cut_after)
    return true;
  if (f.stall) {
    auto lock = std::unique_lock{mutex_};
    changed_.wait_for(lock, test_timeout, [&] { return ending_; });
  }
  return false;
}

void http_server::count_sent(std::size_t id, std::uint64_t bytes) {
  const auto lock = std::lock_guard{mutex_};
  sent_bytes_ += bytes;
  if (id < calls_.size())
    calls_[id].sent_bytes += bytes;
  changed_.notify_all();
}

void http_server::add_fault(http_fault f) {
  const auto lock = std::lock_guard{mutex_};
  faults_.push_back(std::move(f));
}

void http_server::clear_faults() {
  const auto lock = std::lock_guard{mutex_};
  faults_.clear();
}

std::vector<http_call> http_server::calls() const {
  const auto lock = std::lock_guard{mutex_};
  return calls_;
}

std::size_t http_server::count(const std::string& part) const {
  const auto lock = std::lock_guard{mutex_};
  return static_cast<std::size_t>(
      std::count_if(calls_.begin(), calls_.end(),
                    [&](const http_call& c) { return c.target.find(part) != std::string::npos; }));
}

std::uint64_t http_server::sent_bytes() const {
  const auto lock = std::lock_guard{mutex_};
  return sent_bytes_;
}

void http_server::forget_calls() {
  const auto lock = std::lock_guard{mutex_};
  calls_.clear();
  sent_bytes_ = 0;
}

bool http_server::wait_for_sent(std::uint64_t bytes) const {
  auto lock = std::unique_lock{mutex_};
  return changed_.wait_for(lock, test_timeout, [&] { return sent_bytes_ >= bytes; });
}

} // namespace larql::test
