#include "actors/net/scribe.hpp"

#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/interfaces.hpp>
#include <caf/io/network/stream_impl.hpp>
#include <cerrno>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace larql::actors {

namespace {

using caf::io::network::native_socket;
using caf::io::network::rw_state;

// How CAF's stream reads and writes. Nothing to do now is success with no bytes.
class policy {
public:
  explicit policy(tls_context::ssl_ptr session) : session_(std::move(session)) {}

  rw_state read_some(std::size_t& n, native_socket fd, void* out, std::size_t size) {
    n = 0;
    return session_ ? read_tls(n, out, size) : read_plain(n, fd, out, size);
  }

  rw_state write_some(std::size_t& n, native_socket fd, const void* bytes, std::size_t size) {
    n = 0;
    if (size == 0)
      return rw_state::indeterminate;
    return session_ ? write_tls(n, static_cast<const char*>(bytes), size)
                    : write_plain(n, fd, bytes, size);
  }

  // What is decrypted already does not show in the descriptor.
  bool must_read_more(native_socket, std::size_t threshold) const {
    return session_ && static_cast<std::size_t>(SSL_pending(session_.get())) >= threshold;
  }

private:
  static bool try_later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

  static rw_state read_plain(std::size_t& n, native_socket fd, void* out, std::size_t size) {
    const auto got = ::recv(fd, out, size, 0);
    if (got <= 0)
      return got < 0 && try_later() ? rw_state::success : rw_state::failure;
    n = static_cast<std::size_t>(got);
    return rw_state::success;
  }

  static rw_state write_plain(std::size_t& n, native_socket fd, const void* bytes,
                              std::size_t size) {
    const auto sent = ::send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0)
      return try_later() ? rw_state::success : rw_state::failure;
    n = static_cast<std::size_t>(sent);
    return rw_state::success;
  }

  [[nodiscard]] rw_state state_after(int code) const {
    const auto error = SSL_get_error(session_.get(), code);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? rw_state::success
                                                                         : rw_state::failure;
  }

  rw_state read_tls(std::size_t& n, void* out, std::size_t size) {
    ERR_clear_error();
    const auto code = SSL_read_ex(session_.get(), out, size, &n);
    return code == 1 ? rw_state::success : state_after(code);
  }

  rw_state write_tls(std::size_t& n, const char* bytes, std::size_t size) {
    while (n < size) {
      auto part = std::size_t{0};
      ERR_clear_error();
      if (const auto code = SSL_write_ex(session_.get(), bytes + n, size - n, &part); code != 1)
        return state_after(code);
      n += part;
    }
    return rw_state::success;
  }

  tls_context::ssl_ptr session_;
};

class stream_scribe final : public caf::io::scribe {
public:
  stream_scribe(caf::io::network::default_multiplexer& backend, native_socket fd,
                tls_context::ssl_ptr session)
      : caf::io::scribe(caf::io::network::conn_hdl_from_socket(fd)),
        stream_(backend, fd, std::move(session)) {}

  void configure_read(caf::io::receive_policy::config config) override {
    stream_.configure_read(config);
    if (!started_) {
      started_ = true;
      stream_.start(this);
    }
  }
  void ack_writes(bool enable) override { stream_.ack_writes(enable); }
  std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
  std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
  void flush() override { stream_.flush(this); }
  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }
  void add_to_loop() override { stream_.activate(this); }
  void remove_from_loop() override { stream_.passivate(); }

  std::string addr() const override {
    const auto text = caf::io::network::remote_addr_of_fd(stream_.fd());
    return text ? *text : std::string{};
  }
  std::uint16_t port() const override {
    const auto number = caf::io::network::remote_port_of_fd(stream_.fd());
    return number ? *number : std::uint16_t{0};
  }

private:
  bool started_ = false;
  caf::io::network::stream_impl<policy> stream_;
};

} // namespace

transport make_transport(stream s) {
  const auto fd = s.fd();
  // std::function wants something that can be copied.
  auto shared = std::make_shared<stream>(std::move(s));
  return {[shared](caf::actor_system& sys) -> caf::io::scribe_ptr {
            auto& backend =
                dynamic_cast<caf::io::network::default_multiplexer&>(sys.middleman().backend());
            auto session = shared->release_session();
            return caf::make_counted<stream_scribe>(backend, shared->release_fd(),
                                                    std::move(session));
          },
          fd};
}

} // namespace larql::actors
