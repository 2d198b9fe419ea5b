#include "actors/net/http_server.hpp"

#include "actors/net/http_daemon.hpp"
#include "actors/net/http_deadlines.hpp"
#include "actors/net/http_head.hpp"
#include "actors/net/http_slot.hpp"
#include "actors/net/http_wake_queue.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <microhttpd.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace larql::actors {

namespace {

using clock = std::chrono::steady_clock;

// How late a deadline is noticed.
constexpr auto tick_interval = std::chrono::milliseconds{250};

void add_headers(MHD_Response* response, const http_reply& reply, bool close) {
  for (const auto& [name, value] : reply.headers)
    MHD_add_response_header(response, name.c_str(), value.c_str());
  if (close)
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

} // namespace

void http_waker::wake() const {
  if (queue_)
    queue_->push(id_);
}

class http_server::impl final : http_daemon::events {
public:
  impl(socket listening, http_handler& handler, http_server_options options)
      : listening_(std::move(listening)),
        handler_(handler),
        options_(std::move(options)),
        bodies_(std::make_shared<memory_budget>(options_.all_bodies_bytes, 0)) {} // all is counted
  ~impl() override;

  result<void> start();
  result<void> use_certificate(const http_certificate& certificate);
  void stop_accepting();

  std::uint16_t port = 0;
  std::atomic<std::size_t> busy{0}, open{0};
  std::array<std::atomic<std::uint64_t>, 6> replies{};
  std::atomic<std::uint64_t> left{0};

private:
  /// A request, and where its callbacks find the server.
  struct entry {
    impl& server;
    http_slot slot;
  };

  // http_daemon::events
  void on_open(MHD_Connection* connection, int fd) override;
  void on_close(int fd) override;
  bool on_request(MHD_Connection* connection, const char* path, const char* method,
                  const char* version, std::string_view body, void** context) override;
  void on_done(void* context, bool complete) override;

  entry& new_entry(MHD_Connection* connection, http_request head);
  bool answer(entry& e);
  bool send(entry& e, const http_reply& reply);
  static ssize_t read_stream(void* entry, std::uint64_t, char* to, std::size_t room);
  void suspend(http_slot& slot);
  void resume(http_slot& slot);
  void cut(http_slot& slot);

  void serve();
  void wait() const;
  void resume_woken();
  void drop_those_gone();
  void tick(clock::time_point now);
  void change_daemons();
  void end();

  socket listening_;
  http_handler& handler_;
  http_server_options options_;
  std::shared_ptr<memory_budget> bodies_;
  std::shared_ptr<http_waker::queue> wakes_ = std::make_shared<http_waker::queue>();
  socket watch_; // an epoll descriptor
  std::vector<std::unique_ptr<http_daemon>> daemons_;
  std::map<std::uint64_t, std::unique_ptr<entry>> entries_; // by number of the request
  http_deadlines deadlines_{options_};
  std::uint64_t next_id_ = 0;
  clock::time_point last_tick_{};
  bool ending_ = false;

  std::atomic<bool> stop_{false}, quiet_{false};
  std::mutex mutex_;
  std::unique_ptr<http_daemon> next_daemon_; // with a new certificate
  std::thread thread_;
};

// ---- start and end ------------------------------------------------------------------------------

result<void> http_server::impl::start() {
  port = local_port(listening_);
  watch_ = socket{::epoll_create1(EPOLL_CLOEXEC)};
  if (!watch_ || wakes_->event_fd < 0)
    return fail(errc::io, "HTTP: no descriptor left");
  LARQL_TRY(auto daemon, http_daemon::start(listening_.fd(), options_, *this));
  daemons_.push_back(std::move(daemon));
  try {
    thread_ = std::thread{[this] { serve(); }};
  } catch (const std::system_error& e) {
    return fail(errc::io, "HTTP: cannot start a thread: {}", e.what());
  }
  return {};
}

http_server::impl::~impl() {
  stop_.store(true);
  wakes_->signal();
  if (thread_.joinable())
    thread_.join();
  daemons_.clear(); // their callbacks use the rest
}

result<void> http_server::impl::use_certificate(const http_certificate& certificate) {
  auto options = options_;
  options.certificate = certificate;
  LARQL_TRY(auto daemon, http_daemon::start(listening_.fd(), options, *this));
  {
    const auto lock = std::scoped_lock{mutex_};
    next_daemon_ = std::move(daemon);
  }
  wakes_->signal();
  return {};
}

void http_server::impl::stop_accepting() {
  listening_.close(); // the daemons have copies, which they give up
  quiet_.store(true);
  wakes_->signal();
}

// The library wants every connection resumed before it stops.
void http_server::impl::end() {
  ending_ = true;
  for (auto& [id, e] : entries_) {
    e->slot.drop();
    resume(e->slot);
  }
  for (auto& d : daemons_)
    d->run();
  daemons_.clear();
  entries_.clear();
}

// ---- what the library tells ---------------------------------------------------------------------

void http_server::impl::on_open(MHD_Connection*, int fd) {
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options_.send_buffer_bytes,
               sizeof options_.send_buffer_bytes);
  deadlines_.open(fd);
  open.store(deadlines_.size());
}

void http_server::impl::on_close(int fd) {
  deadlines_.close(fd);
  open.store(deadlines_.size());
}

http_server::impl::entry& http_server::impl::new_entry(MHD_Connection* connection,
                                                       http_request head) {
  const auto fd = descriptor_of(connection);
  const auto id = ++next_id_;
  auto made = std::unique_ptr<entry>{new entry{
      *this, {id, connection, fd, std::move(head), http_slot::bounds{options_.max_body_bytes}}}};
  auto& out = *entries_.emplace(id, std::move(made)).first->second;
  deadlines_.enter(fd, http_deadlines::phase::body);
  busy.store(entries_.size());
  return out;
}

bool http_server::impl::on_request(MHD_Connection* connection, const char* path, const char* method,
                                   const char* version, std::string_view body, void** context) {
  if (ending_)
    return false;
  if (*context == nullptr) {
    auto& made = new_entry(connection, read_head(connection, path, method, version));
    *context = &made;
    return !made.slot.begin(handler_, bodies_) || send(made, *made.slot.reply());
  }
  auto& e = *static_cast<entry*>(*context);
  return body.empty() ? answer(e) : e.slot.take(handler_, body);
}

bool http_server::impl::answer(entry& e) {
  if (e.slot.is_gone())
    return false;
  if (!e.slot.has_started()) {
    deadlines_.enter(e.slot.fd(), http_deadlines::phase::answer);
    e.slot.start(handler_, {wakes_, e.slot.id()});
  }
  if (const auto reply = e.slot.reply())
    return send(e, *reply);
  suspend(e.slot);
  return true;
}

bool http_server::impl::send(entry& e, const http_reply& reply) {
  auto* response =
      reply.is_stream
          ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32 << 10, &read_stream, &e, nullptr)
          : MHD_create_response_from_buffer(reply.body.size(), const_cast<char*>(reply.body.data()),
                                            MHD_RESPMEM_MUST_COPY);
  if (response == nullptr)
    return false;
  ++replies[std::min<std::size_t>(reply.status / 100, replies.size() - 1)];
  add_headers(response, reply, reply.close || quiet_.load());
  const auto queued = MHD_queue_response(e.slot.connection(), reply.status, response);
  MHD_destroy_response(response);
  return queued == MHD_YES;
}

ssize_t http_server::impl::read_stream(void* context, std::uint64_t, char* to, std::size_t room) {
  auto& e = *static_cast<entry*>(context);
  try {
    auto count = std::size_t{0};
    switch (e.slot.read(to, room, count)) {
    case http_slot::state::bytes: return static_cast<ssize_t>(count);
    case http_slot::state::end: return MHD_CONTENT_READER_END_OF_STREAM;
    case http_slot::state::abort: return MHD_CONTENT_READER_END_WITH_ERROR;
    case http_slot::state::wait: break;
    }
    e.server.suspend(e.slot);
    return 0;
  } catch (const std::exception& failed) { // memory
    log_warning("http", "{}", failed.what());
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
}

void http_server::impl::on_done(void* context, bool complete) {
  const auto& slot = static_cast<entry*>(context)->slot;
  if (!complete)
    left.fetch_add(1);
  if (slot.is_watched)
    ::epoll_ctl(watch_.fd(), EPOLL_CTL_DEL, slot.fd(), nullptr);
  deadlines_.enter(slot.fd(), http_deadlines::phase::idle);
  entries_.erase(slot.id());
  busy.store(entries_.size());
}

// ---- waiting exchanges --------------------------------------------------------------------------

// While a connection is suspended the library does not look at its socket, so it would not notice
// that the client has gone.
void http_server::impl::suspend(http_slot& slot) {
  if (!slot.is_watched) {
    auto event = epoll_event{};
    event.events = EPOLLRDHUP;
    event.data.u64 = slot.id();
    slot.is_watched = ::epoll_ctl(watch_.fd(), EPOLL_CTL_ADD, slot.fd(), &event) == 0;
  }
  slot.is_suspended = true;
  MHD_suspend_connection(slot.connection());
}

void http_server::impl::resume(http_slot& slot) {
  if (std::exchange(slot.is_suspended, false))
    MHD_resume_connection(slot.connection());
}

void http_server::impl::cut(http_slot& slot) {
  slot.drop();
  hang_up(slot.fd()); // the library sees the end and cleans up
  resume(slot);
}

void http_server::impl::resume_woken() {
  for (const auto id : wakes_->take())
    if (const auto it = entries_.find(id); it != entries_.end())
      resume(it->second->slot);
}

void http_server::impl::drop_those_gone() {
  auto ready = std::array<epoll_event, 64>{};
  const auto count = ::epoll_wait(watch_.fd(), ready.data(), static_cast<int>(ready.size()), 0);
  for (auto i = 0; i < count; ++i) {
    const auto it = entries_.find(ready[static_cast<std::size_t>(i)].data.u64);
    if (it == entries_.end())
      continue;
    auto& slot = it->second->slot;
    ::epoll_ctl(watch_.fd(), EPOLL_CTL_DEL, slot.fd(), nullptr);
    slot.is_watched = false;
    cut(slot);
  }
}

// ---- the loop -----------------------------------------------------------------------------------

void http_server::impl::serve() {
  while (!stop_.load()) {
    wait();
    change_daemons();
    resume_woken();
    drop_those_gone();
    if (const auto now = clock::now(); now - last_tick_ >= tick_interval) {
      last_tick_ = now;
      tick(now);
    }
    for (auto& d : daemons_)
      d->run();
    std::erase_if(daemons_, [&](const auto& d) {
      return d->is_quiet() && d->connections() == 0 && daemons_.size() > 1;
    });
  }
  end();
}

void http_server::impl::wait() const {
  auto fds = std::vector<pollfd>{{wakes_->event_fd, POLLIN, 0}, {watch_.fd(), POLLIN, 0}};
  auto limit = tick_interval;
  for (const auto& d : daemons_) {
    fds.push_back({d->epoll_fd(), POLLIN, 0});
    limit = std::min(limit, d->timeout().value_or(limit));
  }
  (void) ::poll(fds.data(), fds.size(), static_cast<int>(limit.count()));
}

void http_server::impl::change_daemons() {
  {
    const auto lock = std::scoped_lock{mutex_};
    if (next_daemon_) {
      for (auto& d : daemons_)
        d->quiesce();
      daemons_.push_back(std::move(next_daemon_));
    }
  }
  if (quiet_.load())
    for (auto& d : daemons_)
      d->quiesce();
}

void http_server::impl::tick(clock::time_point now) {
  for (auto& [id, e] : entries_)
    if (!e->slot.tick(now))
      cut(e->slot);
  deadlines_.close_overdue(now, quiet_.load());
}

// ---- http_server --------------------------------------------------------------------------------

http_server::http_server(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
http_server::~http_server() = default;

result<std::unique_ptr<http_server>> http_server::start(socket listening, http_handler& handler,
                                                        const http_server_options& options) {
  auto made = std::make_unique<impl>(std::move(listening), handler, options);
  LARQL_TRY_VOID(made->start());
  return std::unique_ptr<http_server>{new http_server{std::move(made)}};
}

std::uint16_t http_server::port() const noexcept {
  return impl_->port;
}
result<void> http_server::use_certificate(const http_certificate& certificate) {
  return impl_->use_certificate(certificate);
}
void http_server::stop_accepting() {
  impl_->stop_accepting();
}
std::size_t http_server::busy() const noexcept {
  return impl_->busy.load();
}
http_server::counts http_server::counted() const noexcept {
  auto out = counts{impl_->open.load(), {}, impl_->left.load()};
  for (auto i = std::size_t{0}; i < out.replies.size(); ++i)
    out.replies[i] = impl_->replies[i].load();
  return out;
}

} // namespace larql::actors
