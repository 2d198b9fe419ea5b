#include "runtime/hub/lfs_upload.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/start_threads.hpp"
#include "runtime/hub/http_error.hpp"
#include "runtime/hub/upload_journal.hpp"
#include "runtime/hub/url.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <thread>

namespace larql::hub {

namespace {

// Small, because the URLs that an answer holds live for a limited time.
constexpr std::size_t objects_per_batch = 16;
// Putting the parts of a large file together takes the storage host a while.
constexpr auto slow_answer = std::chrono::seconds{300};
constexpr auto report_interval = std::chrono::milliseconds{100};
constexpr const char* lfs_type = "application/vnd.git-lfs+json";

std::vector<std::string> json_headers(const char* type) {
  return {fmt::format("Accept: {}", type), fmt::format("Content-Type: {}", type)};
}

result<std::vector<lfs_object>> ask(hub_client& hub, const repo& to,
                                    const std::vector<const published_file*>& files) {
  auto objects = json::array();
  for (const auto* f : files)
    objects.push_back({{"oid", f->content.sha256}, {"size", f->content.bytes}});
  auto request = http_request{};
  request.method = "POST";
  request.url = fmt::format("{}/{}.git/info/lfs/objects/batch", hub.endpoint(), to.id());
  request.headers = json_headers(lfs_type);
  request.body = json{{"operation", "upload"},
                      {"transfers", {"basic", "multipart"}},
                      {"hash_algo", "sha256"},
                      {"ref", {{"name", to.revision}}},
                      {"objects", std::move(objects)}}
                     .dump();
  LARQL_TRY(const auto answer, hub.http().exchange_ok(std::move(request)));
  return parse_lfs_batch(answer.body, without_secrets(answer.url));
}

// One file under way.
struct upload {
  const published_file* from = nullptr;
  lfs_object object;
  std::optional<file> content; // empty: a text
  std::vector<std::string> etags;
  std::size_t open_parts = 0;
  // Of an upload that goes on: what the server offers if that one fails, and bytes it has.
  std::optional<lfs_object> fresh;
  std::uint64_t had_bytes = 0;
  unsigned beginnings = 0; // parts of an earlier upload are dropped

  [[nodiscard]] bool in_parts() const noexcept { return !object.part_urls.empty(); }
};

struct part {
  upload* of = nullptr;
  std::size_t number = 0; // from 0
  interval bytes;
  unsigned beginning = 0;
  bool is_there = false; // nothing to send, only to complete
};

class crew {
public:
  crew(const http_settings& http, const upload_options& options, const upload_journal& journal)
      : http_(http),
        options_(options),
        journal_(journal),
        outer_stop_(http.stop, [this] { stop_.request_stop(); }) {
    http_.stop = stop_.get_token();
  }

  result<void> add(const published_file& f, lfs_object object) {
    if (!object.upload) {
      had_ += f.bytes();
      journal_.forget(f.content.sha256);
      return {};
    }
    auto u = std::make_unique<upload>();
    u->from = &f;
    u->object = std::move(object);
    if (!f.path.empty()) {
      LARQL_TRY(u->content, file::open(f.path));
      if (u->content->size_bytes() != f.bytes())
        return fail(errc::mismatch, "{}: has {} bytes, had {} when it was hashed", f.path.string(),
                    u->content->size_bytes(), f.bytes());
    }
    if (u->in_parts())
      go_on_or_begin(*u);
    enqueue(*u);
    uploads_.push_back(std::move(u));
    return {};
  }

  result<void> run(std::uint64_t done_before, std::uint64_t had_before) {
    const auto count = std::clamp<std::size_t>(queue_.size(), 1, options_.connections);
    auto lock = std::unique_lock{mutex_}; // the threads wait for it, so none ends uncounted
    LARQL_TRY(auto threads, start_threads(count, [this] { work(); }));
    running_ = threads.size();
    for (auto last = false; !last;) {
      changed_.wait_for(lock, report_interval, [&] { return running_ == 0; });
      last = running_ == 0;
      if (options_.on_progress)
        options_.on_progress(done_before + had_ + static_cast<std::uint64_t>(sent_.load()),
                             had_before + had_, current_);
    }
    lock.unlock();
    for (auto& t : threads)
      t.join();
    if (error_)
      return *std::move(error_);
    return {};
  }

  [[nodiscard]] std::uint64_t had() const noexcept { return had_; }
  [[nodiscard]] std::uint64_t sent() const noexcept {
    return static_cast<std::uint64_t>(sent_.load());
  }

private:
  void go_on_or_begin(upload& u) {
    auto earlier = journal_.find(u.from->content.sha256, u.from->bytes());
    if (!earlier) {
      journal_.begin({u.object, {}});
      return;
    }
    u.fresh = std::move(u.object);
    u.object = std::move(earlier->object);
    u.object.verify = u.fresh->verify;
    u.etags = std::move(earlier->etags);
  }

  void enqueue(upload& u) {
    const auto parts = std::max<std::size_t>(u.object.part_urls.size(), 1);
    const auto step = u.in_parts() ? u.object.part_bytes : u.from->bytes();
    u.etags.resize(parts);
    u.open_parts = 0;
    for (auto i = std::size_t{0}; i < parts; ++i) {
      const auto bytes = interval{i * step, std::min(u.from->bytes(), (i + 1) * step)};
      if (!u.etags[i].empty()) {
        u.had_bytes += bytes.bytes();
        continue;
      }
      queue_.push_back({&u, i, bytes, u.beginnings, false});
      ++u.open_parts;
    }
    had_ += u.had_bytes;
    if (u.open_parts == 0) { // killed just before the end
      queue_.push_back({&u, 0, {}, u.beginnings, true});
      u.open_parts = 1;
    }
  }

  // The server has forgotten an upload, or its addresses are too old.
  void begin_anew(upload& u, const failure& why) {
    if (http_.on_notice)
      http_.on_notice(fmt::format("{}: its earlier upload cannot go on, so it is sent anew: {}",
                                  u.from->name, why.text));
    u.object = *std::exchange(u.fresh, std::nullopt);
    had_ -= std::exchange(u.had_bytes, 0);
    ++u.beginnings;
    u.etags.clear();
    if (u.in_parts())
      journal_.begin({u.object, {}});
    else
      journal_.forget(u.object.oid);
    enqueue(u);
  }

  void work() {
    auto client = http_client{http_};
    auto lock = std::unique_lock{mutex_};
    while (!error_ && !queue_.empty()) {
      const auto p = queue_.front();
      queue_.pop_front();
      if (p.beginning != p.of->beginnings)
        continue;
      current_ = p.of->from->name;
      auto refused = false;
      if (auto done = send(client, p, lock, refused); !done && p.beginning == p.of->beginnings) {
        if (refused && p.of->fresh)
          begin_anew(*p.of, done.error());
        else
          end_with(std::move(done).error());
      }
    }
    --running_;
    changed_.notify_all();
  }

  void end_with(failure why) {
    if (!error_)
      error_ = std::move(why);
    stop_.request_stop();
  }

  // One part, and if it was the last one, the end of its file. `refused`: the server answered no.
  result<void> send(http_client& client, const part& p, std::unique_lock<std::mutex>& lock,
                    bool& refused) {
    auto& u = *p.of;
    if (!p.is_there) {
      const auto object = u.object; // another thread may begin anew meanwhile
      lock.unlock();
      auto etag = put(client, p, object, refused);
      lock.lock();
      if (!etag)
        return std::move(etag).error();
      if (p.beginning != u.beginnings)
        return {};
      u.etags[p.number] = *std::move(etag);
      if (u.in_parts())
        journal_.add(u.object, p.number, u.etags[p.number]);
    }
    if (--u.open_parts != 0)
      return {};
    lock.unlock(); // no other thread works on it now
    auto done = complete(client, u, refused);
    lock.lock();
    if (done)
      journal_.forget(u.object.oid);
    return done;
  }

  // Whether the server said no, and will again.
  static bool is_refusal(const http_answer& a) noexcept {
    return a.status >= 400 && a.status < 500 && !is_transient(a.status);
  }

  // Sends a part; its ETag.
  result<std::string> put(http_client& client, const part& p, const lfs_object& object,
                          bool& refused) {
    const auto& u = *p.of;
    const auto in_parts = !object.part_urls.empty();
    auto request = http_request{};
    request.method = "PUT";
    request.url = in_parts ? object.part_urls[p.number] : object.upload->url;
    if (!in_parts)
      request.headers = object.upload->headers;
    request.source = body_source{
        p.bytes.bytes(), [&](std::uint64_t offset, std::span<std::byte> out) -> result<void> {
          const auto at = p.bytes.begin + offset;
          if (u.content)
            return u.content->read(at, out);
          std::memcpy(out.data(), u.from->text.data() + at, out.size());
          return {};
        }};
    auto counted = std::int64_t{0}; // of this part; an attempt that failed does not count
    request.on_sent = [&](std::uint64_t sent) {
      sent_ += static_cast<std::int64_t>(sent) - counted;
      counted = static_cast<std::int64_t>(sent);
    };
    auto answer = client.exchange(std::move(request));
    if (!answer)
      return std::move(answer).error().in(u.from->name);
    refused = is_refusal(*answer);
    if (!answer->ok())
      return answer_error(*answer, http_.access).in(u.from->name);
    if (in_parts && answer->header("etag").empty())
      return fail(errc::corrupt, "{}: {}: takes part {} without giving an ETag", u.from->name,
                  without_secrets(answer->url), p.number + 1);
    return std::string{answer->header("etag")};
  }

  result<void> complete(http_client& client, const upload& u, bool& refused) {
    const auto post = [&](const lfs_action& action, const json& body) -> result<void> {
      auto request = http_request{};
      request.method = "POST";
      request.url = action.url;
      request.headers = json_headers(lfs_type);
      request.headers.insert(request.headers.end(), action.headers.begin(), action.headers.end());
      request.body = body.dump();
      request.stall_timeout = slow_answer;
      auto answer = client.exchange(std::move(request));
      if (!answer)
        return std::move(answer).error().in(u.from->name);
      refused = is_refusal(*answer);
      return answer->ok() ? result<void>{} : answer_error(*answer, http_.access).in(u.from->name);
    };
    if (u.in_parts()) {
      auto parts = json::array();
      for (auto i = std::size_t{0}; i < u.etags.size(); ++i)
        parts.push_back({{"partNumber", i + 1}, {"etag", u.etags[i]}});
      LARQL_TRY_VOID(post(*u.object.upload, {{"oid", u.object.oid}, {"parts", std::move(parts)}}));
    }
    if (u.object.verify)
      return post(*u.object.verify, {{"oid", u.object.oid}, {"size", u.object.bytes}});
    return {};
  }

  http_settings http_;
  const upload_options& options_;
  const upload_journal& journal_; // used under the lock
  std::stop_source stop_;         // when one of the threads has failed, and when the caller says so
  std::stop_callback<std::function<void()>> outer_stop_;
  std::vector<std::unique_ptr<upload>> uploads_;
  std::atomic<std::int64_t> sent_{0};

  std::mutex mutex_; // guards what follows
  std::condition_variable changed_;
  std::uint64_t had_ = 0;
  std::deque<part> queue_;
  std::size_t running_ = 0;
  std::string current_;
  std::optional<failure> error_;
};

} // namespace

result<std::uint64_t> upload_objects(const repo& to, const http_settings& http,
                                     const std::vector<const published_file*>& files,
                                     const upload_options& options) {
  // Two files may have one content.
  auto unique = files;
  std::sort(unique.begin(), unique.end(),
            [](const auto* a, const auto* b) { return a->content.sha256 < b->content.sha256; });
  unique.erase(std::unique(unique.begin(), unique.end(),
                           [](const auto* a, const auto* b) {
                             return a->content.sha256 == b->content.sha256;
                           }),
               unique.end());
  auto hub = hub_client{http};
  const auto journal =
      upload_journal{options.journals, fmt::format("{}/{}", hub.endpoint(), to.id())};
  auto sent = std::uint64_t{0}, had = std::uint64_t{0};
  for (auto at = std::size_t{0}; at < unique.size(); at += objects_per_batch) {
    const auto batch = std::vector<const published_file*>(
        unique.begin() + static_cast<std::ptrdiff_t>(at),
        unique.begin() +
            static_cast<std::ptrdiff_t>(std::min(unique.size(), at + objects_per_batch)));
    LARQL_TRY(auto objects, ask(hub, to, batch));
    auto workers = crew{http, options, journal};
    for (const auto* f : batch) {
      const auto it = std::find_if(objects.begin(), objects.end(), [&](const lfs_object& o) {
        return o.oid == f->content.sha256 && o.bytes == f->bytes();
      });
      if (it == objects.end())
        return fail(errc::corrupt, "{}: the answer to a batch of uploads has no {}", to.id(),
                    f->content.sha256);
      LARQL_TRY_VOID(workers.add(*f, std::move(*it)));
    }
    LARQL_TRY_VOID(workers.run(sent + had, had));
    sent += workers.sent();
    had += workers.had();
  }
  return sent;
}

} // namespace larql::hub
