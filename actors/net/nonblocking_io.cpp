#include "actors/net/nonblocking_io.hpp"

#include <array>
#include <cerrno>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace larql::actors {

namespace {

bool try_later() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

} // namespace

nonblocking_io::moved nonblocking_io::read(std::span<char> first, std::span<char> second) {
  if (session_) {
    const auto head = read_tls(first);
    if (head.bytes < first.size() || second.empty())
      return head;
    // A failure after these bytes comes again when they are dealt with.
    return {head.bytes + read_tls(second).bytes, false};
  }
  const auto parts =
      std::array{iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
  const auto got = ::readv(fd_, parts.data(), second.empty() ? 1 : 2);
  if (got <= 0)
    return {0, got == 0 || !try_later()};
  return {static_cast<std::size_t>(got), false};
}

nonblocking_io::moved nonblocking_io::write(std::span<const char> bytes) {
  if (session_)
    return write_tls(bytes);
  const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0)
    return {0, !try_later()};
  return {static_cast<std::size_t>(sent), false};
}

bool nonblocking_io::holds_bytes() const {
  return session_ && SSL_pending(session_.get()) > 0;
}

bool nonblocking_io::is_over(int code) const {
  const auto error = SSL_get_error(session_.get(), code);
  return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
}

nonblocking_io::moved nonblocking_io::read_tls(std::span<char> out) {
  auto done = moved{};
  while (done.bytes < out.size()) {
    auto part = std::size_t{0};
    ERR_clear_error();
    const auto rest = out.subspan(done.bytes);
    if (const auto code = SSL_read_ex(session_.get(), rest.data(), rest.size(), &part); code != 1)
      return {done.bytes, done.bytes == 0 && is_over(code)};
    done.bytes += part;
  }
  return done;
}

nonblocking_io::moved nonblocking_io::write_tls(std::span<const char> bytes) {
  auto done = moved{};
  while (done.bytes < bytes.size()) {
    auto part = std::size_t{0};
    ERR_clear_error();
    const auto rest = bytes.subspan(done.bytes);
    if (const auto code = SSL_write_ex(session_.get(), rest.data(), rest.size(), &part); code != 1)
      return {done.bytes, is_over(code)};
    done.bytes += part;
  }
  return done;
}

} // namespace larql::actors
