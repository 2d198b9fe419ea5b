#include "runtime/hub/lfs_upload.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/hub/http_error.hpp"
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
};

struct part {
  upload* of = nullptr;
  std::size_t number = 0; // from 0
  interval bytes;
};

class crew {
public:
  crew(const repo& to, const http_settings& http, const upload_options& options)
      : to_(to), http_(http), options_(options) {
    const auto outer = http.stopped;
    http_.stopped = [this, outer] { return failed_.load() || (outer && outer()); };
  }

  result<void> add(const published_file& f, lfs_object object) {
    if (!object.upload) {
      had_ += f.bytes();
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
    u->open_parts = std::max<std::size_t>(u->object.part_urls.size(), 1);
    u->etags.resize(u->open_parts);
    const auto step = u->object.part_urls.empty() ? f.bytes() : u->object.part_bytes;
    for (auto i = std::size_t{0}; i < u->open_parts; ++i)
      queue_.push_back({u.get(), i, {i * step, std::min(f.bytes(), (i + 1) * step)}});
    uploads_.push_back(std::move(u));
    return {};
  }

  result<void> run(std::uint64_t done_before, std::uint64_t had_before) {
    auto threads = std::vector<std::thread>{};
    running_ = std::clamp<std::size_t>(queue_.size(), 1, options_.connections);
    for (auto i = running_; i > 0; --i)
      threads.emplace_back([this] { work(); });
    auto lock = std::unique_lock{mutex_};
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
  void work() {
    auto client = http_client{http_};
    auto lock = std::unique_lock{mutex_};
    while (!error_ && !queue_.empty()) {
      const auto p = queue_.front();
      queue_.pop_front();
      current_ = p.of->from->name;
      lock.unlock();
      auto etag = put(client, p);
      lock.lock();
      auto done = result<void>{};
      if (!etag) {
        done = std::move(etag).error();
      } else {
        p.of->etags[p.number] = *std::move(etag);
        if (--p.of->open_parts == 0) {
          lock.unlock();
          done = complete(client, *p.of);
          lock.lock();
        }
      }
      if (!done && !error_) {
        error_ = std::move(done).error();
        failed_ = true;
      }
    }
    --running_;
    changed_.notify_all();
  }

  // Sends a part; its ETag.
  result<std::string> put(http_client& client, const part& p) {
    const auto& u = *p.of;
    auto request = http_request{};
    request.method = "PUT";
    request.url = u.object.part_urls.empty() ? u.object.upload->url : u.object.part_urls[p.number];
    if (u.object.part_urls.empty())
      request.headers = u.object.upload->headers;
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
    if (!answer->ok())
      return answer_error(*answer, http_.access).in(u.from->name);
    if (!u.object.part_urls.empty() && answer->header("etag").empty())
      return fail(errc::corrupt, "{}: {}: takes part {} without giving an ETag", u.from->name,
                  without_secrets(answer->url), p.number + 1);
    return std::string{answer->header("etag")};
  }

  result<void> complete(http_client& client, const upload& u) {
    const auto post = [&](const lfs_action& action, const json& body) -> result<void> {
      auto request = http_request{};
      request.method = "POST";
      request.url = action.url;
      request.headers = json_headers(lfs_type);
      request.headers.insert(request.headers.end(), action.headers.begin(), action.headers.end());
      request.body = body.dump();
      request.stall_timeout = slow_answer;
      auto answer = client.exchange_ok(std::move(request));
      return answer ? result<void>{} : std::move(answer).error().in(u.from->name);
    };
    if (!u.object.part_urls.empty()) {
      auto parts = json::array();
      for (auto i = std::size_t{0}; i < u.etags.size(); ++i)
        parts.push_back({{"partNumber", i + 1}, {"etag", u.etags[i]}});
      LARQL_TRY_VOID(post(*u.object.upload, {{"oid", u.object.oid}, {"parts", std::move(parts)}}));
    }
    if (u.object.verify)
      return post(*u.object.verify, {{"oid", u.object.oid}, {"size", u.object.bytes}});
    return {};
  }

  const repo& to_;
  http_settings http_;
  const upload_options& options_;
  std::vector<std::unique_ptr<upload>> uploads_;
  std::uint64_t had_ = 0;
  std::atomic<std::int64_t> sent_{0};
  std::atomic<bool> failed_{false};

  std::mutex mutex_; // guards what follows
  std::condition_variable changed_;
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
  auto sent = std::uint64_t{0}, had = std::uint64_t{0};
  for (auto at = std::size_t{0}; at < unique.size(); at += objects_per_batch) {
    const auto batch = std::vector<const published_file*>(
        unique.begin() + static_cast<std::ptrdiff_t>(at),
        unique.begin() +
            static_cast<std::ptrdiff_t>(std::min(unique.size(), at + objects_per_batch)));
    LARQL_TRY(auto objects, ask(hub, to, batch));
    auto workers = crew{to, http, options};
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
