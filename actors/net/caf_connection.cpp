#include "actors/net/caf_connection.hpp"

#include "actors/core/buffer_pool.hpp"

#include "actors/net/nonblocking_io.hpp"
#include "actors/net/socket.hpp"
#include "runtime/base/check.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/interfaces.hpp>
#include <new>

namespace larql::actors {

namespace {

namespace network = caf::io::network;
using network::operation;

// Wishes of at most this many bytes, headers, are read together with what follows them.
constexpr std::size_t short_read_bytes = 64;
// How much of what follows: as much as came last, within these.
constexpr std::size_t least_ahead_bytes = 4096;
constexpr std::size_t most_ahead_bytes = 64 * 1024;
// More than came last, so that a read that came back short has emptied the socket.
constexpr std::size_t ahead_slack_bytes = 64;
// Reads of one connection before others have their turn.
constexpr int reads_in_a_row = 8;

// For a frame and its answer CAF's own stream makes six system calls beside its waits: it registers
// with epoll to send, and reads header, body, and until the socket is empty. This one makes two: it
// sends at once what the socket takes, and reads a header together with its body.
class stream_connection final : public caf::io::scribe, private network::event_handler {
public:
  stream_connection(network::default_multiplexer& loop, int fd, tls_context::ssl_ptr session,
                    std::shared_ptr<open_connections> open)
      : caf::io::scribe(network::conn_hdl_from_socket(fd)),
        network::event_handler(loop, fd),
        io_(fd, std::move(session)),
        open_(std::move(open)) {
    if (open_)
      open_->add(fd);
  }
  ~stream_connection() override { // event_handler closes the descriptor afterwards
    if (open_)
      open_->remove(fd());
  }

  void hang_up() noexcept { actors::hang_up(fd()); }

  [[nodiscard]] std::size_t unsent() const noexcept {
    return staged_.size() + sending_.size() - sent_;
  }
  [[nodiscard]] std::uint64_t sent() const noexcept { return all_sent_; }

  void configure_read(caf::io::receive_policy::config config) override {
    LARQL_CHECK(config.first == caf::io::receive_policy_flag::exactly && config.second > 0);
    wanted_ = config.second;
    if (!std::exchange(started_, true)) {
      begin_read();
      add_to_loop();
    }
  }
  void ack_writes(bool enable) override { acknowledges_ = enable; }
  std::vector<char>& wr_buf() override { return staged_; }
  std::vector<char>& rd_buf() override { return in_is_short_ ? in_short_ : in_; }

  void flush() override {
    if (staged_.empty() || writer_)
      return; // what is under way goes first and takes the rest along
    staged_.swap(sending_);
    sent_ = 0;
    if (!acknowledges_) // a receipt must not come while the broker is still sending
      send_some();
    if (sent_ < sending_.size())
      start_writing(); // of a failure, too: there it is noticed outside of the broker's handler
    else
      forget_sent();
  }

  void graceful_shutdown() override {
    if (std::exchange(shut_down_, true))
      return;
    const auto self = caf::io::scribe_ptr{this}; // the broker and the loop may let go of it
    if (!writer_)
      network::shutdown_write(fd());
    detach(&backend(), false);
  }

  void add_to_loop() override {
    reader_.reset(this);
    backend().add(operation::read, fd(), this);
  }
  void remove_from_loop() override {
    if (!reader_)
      return;
    backend().del(operation::read, fd(), this);
    release_unless_in_loop(network::input_mask, reader_);
  }

  std::string addr() const override {
    const auto text = network::remote_addr_of_fd(fd());
    return text ? *text : std::string{};
  }
  std::uint16_t port() const override {
    const auto number = network::remote_port_of_fd(fd());
    return number ? *number : std::uint16_t{0};
  }

private:
  // ---- events -------------------------------------------------------------------------------

  void handle_event(operation op) override {
    const auto self = caf::io::scribe_ptr{this};
    try {
      handle(op);
    } catch (const std::bad_alloc&) { // ends this connection, not the thread of all
      log_warning("connection", "closed: out of memory");
      hang_up();
    }
  }

  void handle(operation op) {
    switch (op) {
    case operation::read: return on_readable();
    case operation::write: return on_writable();
    case operation::propagate_error: io_failure(&backend(), operation::read); return stop_writing();
    }
  }

  void removed_from_loop(operation op) override {
    (op == operation::read ? reader_ : writer_).reset();
  }

  // The loop answers a removal with removed_from_loop(), but not if the descriptor was added in the
  // same turn: then the two cancel each other, and nobody would ever let go of the connection.
  void release_unless_in_loop(int mask, caf::io::scribe_ptr& held) {
    if ((eventbf() & mask) == 0)
      held.reset();
  }

  // ---- reading ------------------------------------------------------------------------------

  void on_readable() {
    for (auto i = 0; i < reads_in_a_row || io_.holds_bytes(); ++i) {
      const auto room = std::span{rd_buf()}.subspan(got_);
      const auto beyond = in_is_short_ ? std::span{ahead_} : std::span<char>{};
      const auto r = io_.read(room, beyond);
      if (r.failed)
        return io_failure(&backend(), operation::read);
      if (r.bytes == 0)
        return;
      const auto here = std::min(r.bytes, room.size());
      got_ += here;
      ahead_begin_ = 0;
      ahead_end_ = r.bytes - here;
      while (got_ == wanted_)
        if (!deliver())
          return;
      if (r.bytes < room.size() + beyond.size())
        return; // the socket is empty
    }
  }

  // False if nothing may be read any more.
  bool deliver() {
    if (!in_is_short_)
      last_body_bytes_ = got_;
    if (!consume(&backend(), rd_buf().data(), got_) || detached()) {
      remove_from_loop();
      return false;
    }
    begin_read();
    return true;
  }

  // The broker has said what it wants next; some of it may be here already.
  void begin_read() {
    in_is_short_ = wanted_ <= short_read_bytes;
    const auto here = ahead_end_ - ahead_begin_;
    got_ = std::min(wanted_, here);
    if (here > 0 && ahead_begin_ == 0 && got_ == here && !in_is_short_) {
      in_.swap(ahead_); // a body that came with its header, and nothing else
      in_.resize(wanted_);
    } else {
      rd_buf().resize(wanted_);
      std::copy_n(ahead_.data() + ahead_begin_, got_, rd_buf().data());
    }
    ahead_begin_ += got_;
    if (ahead_begin_ == ahead_end_ && in_is_short_)
      ahead_.resize(
          std::clamp(last_body_bytes_ + ahead_slack_bytes, least_ahead_bytes, most_ahead_bytes));
  }

  // ---- writing ------------------------------------------------------------------------------

  void send_some() {
    const auto w = io_.write(std::span<const char>{sending_}.subspan(sent_));
    sent_ += w.bytes;
    all_sent_ += w.bytes;
    broken_ = broken_ || w.failed;
  }

  void forget_sent() noexcept {
    if (sending_.capacity() > buffer_pool::most_kept_bytes)
      std::vector<char>{}.swap(sending_); // or every idle connection would keep its largest answer
    sending_.clear();
    sent_ = 0;
  }

  void start_writing() {
    writer_.reset(this);
    backend().add(operation::write, fd(), this);
  }
  void stop_writing() {
    if (!writer_)
      return;
    backend().del(operation::write, fd(), this);
    release_unless_in_loop(network::output_mask, writer_);
  }

  void on_writable() {
    const auto before = sent_;
    if (!broken_)
      send_some();
    if (broken_) {
      io_failure(&backend(), operation::write);
      return stop_writing();
    }
    if (acknowledges_ && sent_ > before)
      data_transferred(&backend(), sent_ - before, sending_.size() - sent_ + staged_.size());
    if (sent_ < sending_.size())
      return;
    forget_sent();
    if (!staged_.empty())
      return staged_.swap(sending_);
    stop_writing();
    if (shut_down_)
      network::shutdown_write(fd());
  }

  nonblocking_io io_;
  std::shared_ptr<open_connections> open_; // those of the process; may be null
  bool started_ = false;
  bool shut_down_ = false;
  bool acknowledges_ = false;
  bool broken_ = false;

  // Set while the loop knows the descriptor, or soon will: it holds no reference by itself.
  caf::io::scribe_ptr reader_;
  caf::io::scribe_ptr writer_;

  // The next bytes for the broker: `got_` of `wanted_`, in one of two buffers. Bodies have their
  // own, which the broker takes and gives another for, so that none is made and none is cleared.
  std::size_t wanted_ = 0;
  std::size_t got_ = 0;
  bool in_is_short_ = false;
  std::vector<char> in_short_;
  std::vector<char> in_;
  // What came behind them.
  std::vector<char> ahead_;
  std::size_t ahead_begin_ = 0;
  std::size_t ahead_end_ = 0;
  std::size_t last_body_bytes_ = 0;

  std::vector<char> staged_; // by the broker
  std::vector<char> sending_;
  std::size_t sent_ = 0;
  std::uint64_t all_sent_ = 0;
};

} // namespace

pending_connection make_pending_connection(secure_stream s,
                                           std::shared_ptr<open_connections> open) {
  // std::function wants something that can be copied.
  return [shared = std::make_shared<secure_stream>(std::move(s)),
          open = std::move(open)](caf::actor_system& sys) -> caf::io::scribe_ptr {
    auto& backend = dynamic_cast<network::default_multiplexer&>(sys.middleman().backend());
    auto session = shared->release_session();
    return caf::make_counted<stream_connection>(backend, shared->release_fd(), std::move(session),
                                                open);
  };
}

std::size_t broker_connection::unsent() const noexcept {
  const auto* s = dynamic_cast<const stream_connection*>(scribe_.get());
  return s == nullptr ? 0 : s->unsent();
}

std::uint64_t broker_connection::sent() const noexcept {
  const auto* s = dynamic_cast<const stream_connection*>(scribe_.get());
  return s == nullptr ? 0 : s->sent();
}

void broker_connection::hang_up() noexcept {
  if (auto* s = dynamic_cast<stream_connection*>(scribe_.get())) // not of simulated ones
    s->hang_up();
}

} // namespace larql::actors
