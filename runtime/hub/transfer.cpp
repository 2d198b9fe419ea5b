#include "runtime/hub/transfer.hpp"

#include "runtime/base/start_threads.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <thread>

namespace larql::hub {

namespace {

// Between two notes in the journal: what a killed process may have to fetch again per connection.
constexpr std::uint64_t record_bytes = 256 * 1024;
// A content that is still wrong then was published wrong.
constexpr auto most_rounds = 3;
constexpr auto report_interval = std::chrono::milliseconds{100};

struct job {
  pull_target* target = nullptr;
  unsigned open_chunks = 0; // in the queue or under way
  int rounds = 0;
};

struct chunk {
  job* of = nullptr;
  interval bytes;
};

class crew {
public:
  crew(const std::vector<std::unique_ptr<pull_target>>& files, const http_settings& http,
       const transfer_options& options)
      : http_(http), options_(options), outer_stop_(http.stop, [this] { stop_.request_stop(); }) {
    http_.stop = stop_.get_token();
    jobs_.reserve(files.size());
    for (const auto& f : files)
      jobs_.push_back({f.get()});
  }

  result<void> run() {
    for (auto& j : jobs_)
      enqueue(j);
    const auto count = std::clamp<std::size_t>(queue_.size(), 1, options_.connections);
    LARQL_TRY(auto threads, start(count));
    report();
    for (auto& t : threads)
      t.join();
    if (options_.on_progress)
      options_.on_progress(fetched_.load(), current_);
    if (error_)
      return *std::move(error_);
    return {};
  }

private:
  // Cuts what is missing into requests. A file with nothing missing still gets a chunk, so that it
  // is checked.
  void enqueue(job& j) {
    const auto missing = j.target->missing();
    for (const auto i : missing.intervals())
      for (auto at = i.begin; at < i.end; at += options_.request_bytes) {
        queue_.push_back({&j, {at, std::min(i.end, at + options_.request_bytes)}});
        ++j.open_chunks;
      }
    if (j.open_chunks == 0) {
      queue_.push_back({&j, {}});
      j.open_chunks = 1;
    }
    ++pending_files_;
  }

  // The threads wait for the lock, so none ends before all are counted.
  result<std::vector<std::thread>> start(std::size_t count) {
    const auto lock = std::scoped_lock{mutex_};
    auto threads = start_threads(count, [this] { work(); });
    running_ = threads ? threads->size() : 0;
    return threads;
  }

  void report() {
    auto lock = std::unique_lock{mutex_};
    while (running_ != 0) {
      changed_.wait_for(lock, report_interval);
      const auto name = current_;
      lock.unlock();
      if (options_.on_progress)
        options_.on_progress(fetched_.load(), name);
      lock.lock();
    }
  }

  void work() {
    auto client = http_client{http_};
    auto lock = std::unique_lock{mutex_};
    for (;;) {
      changed_.wait(lock, [&] { return error_ || !queue_.empty() || pending_files_ == 0; });
      if (error_ || queue_.empty())
        break;
      const auto c = queue_.front();
      queue_.pop_front();
      current_ = c.of->target->plan().remote.path;
      lock.unlock();
      auto done = c.of->target->start();
      if (done && c.bytes.bytes() != 0)
        done = fetch(client, c);
      lock.lock();
      if (done && --c.of->open_chunks == 0) {
        lock.unlock();
        done = check(*c.of);
        lock.lock();
        if (done) {
          --pending_files_;
          if (!c.of->target->missing().empty())
            enqueue(*c.of);
        }
      }
      if (!done && !error_) {
        error_ = std::move(done).error();
        stop_.request_stop();
      }
      changed_.notify_all();
    }
    --running_;
    changed_.notify_all();
  }

  result<void> fetch(http_client& client, const chunk& c) {
    auto& target = *c.of->target;
    auto written = c.bytes.begin, recorded = c.bytes.begin;
    const auto record = [&]() -> result<void> {
      if (recorded == written)
        return {};
      const auto from = std::exchange(recorded, written);
      return target.record({from, written});
    };
    auto d = download{};
    d.url = options_.url_of(target.plan().remote);
    d.range = c.bytes;
    d.file_bytes = target.plan().remote.bytes;
    d.sink = [&](std::span<const std::byte> bytes) -> result<void> {
      LARQL_TRY_VOID(target.write(written, bytes));
      written += bytes.size();
      fetched_ += bytes.size();
      return written - recorded >= record_bytes ? record() : result<void>{};
    };
    auto done = client.fetch(d);
    const auto kept = record();
    return done ? kept : std::move(done);
  }

  result<void> check(job& j) {
    auto what = std::string{};
    LARQL_TRY_VOID(j.target->check(
        options_.checks_of, [this](std::uint64_t) { return !http_.stop.stop_requested(); }, what));
    LARQL_TRY_VOID(j.target->stop()); // all of its requests have ended
    if (j.target->missing().empty())
      return {};
    if (++j.rounds == most_rounds)
      return fail(errc::corrupt,
                  "{}: has another hash than the repository says, {} times in a row: it was "
                  "published damaged, or something on the way changes it",
                  what, most_rounds);
    if (http_.on_notice)
      http_.on_notice(fmt::format("{}: has another hash than the repository says; again", what));
    return {};
  }

  http_settings http_;
  const transfer_options& options_;
  std::stop_source stop_; // when one of the threads has failed, and when the caller says so
  std::stop_callback<std::function<void()>> outer_stop_;
  std::vector<job> jobs_;
  std::atomic<std::uint64_t> fetched_{0};

  std::mutex mutex_; // guards what follows
  std::condition_variable changed_;
  std::deque<chunk> queue_;
  std::size_t pending_files_ = 0;
  std::size_t running_ = 0;
  std::string current_;
  std::optional<failure> error_;
};

} // namespace

result<void> transfer(const std::vector<std::unique_ptr<pull_target>>& files,
                      const http_settings& http, const transfer_options& options) {
  if (files.empty())
    return {};
  return crew{files, http, options}.run();
}

} // namespace larql::hub
