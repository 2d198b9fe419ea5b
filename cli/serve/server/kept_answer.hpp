// An answer that outlives the connection of whoever asked for it: the page is reloaded, or a phone
// loses its network, and reads on where it stopped.
//
//   worker, backend:   answer_sink ─► inbox
//   server:            inbox ─► writer ─► log ─► readers, each from an offset of its own
//
// Nobody formats events while nobody reads. An answer without a reader goes on for `linger`; then,
// and when it is stopped, it is cancelled.
//
// Owner     kept_answers; readers share it.
// Threads   answer_sink's functions as there. open(), close(), reply(), read() and keep_alive() by
//           the HTTP server's thread; the others by any. No lock is held while anything else is
//           called.

#pragma once

#include "actors/net/http_server.hpp"
#include "cli/serve/page/answer_log.hpp"
#include "cli/serve/server/answer_sink.hpp"
#include "cli/serve/server/event_inbox.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>

namespace larql::serve {

struct kept_limits {
  std::chrono::milliseconds linger{60'000}; ///< without a reader
  std::size_t max_answers = 256;            ///< kept at the same time
  std::size_t log_bytes = 8 << 20;          ///< of each, that can be read again
  std::size_t max_unread_bytes = 1 << 20;   ///< of events; then the sequence is paused
  std::chrono::milliseconds keep_alive{10'000};
};

class kept_answer final : public answer_sink {
public:
  using clock = std::chrono::steady_clock;
  using reader_id = std::uint64_t;

  kept_answer(std::string client, const kept_limits& limits)
      : client_(std::move(client)),
        limits_(limits),
        inbox_(limits.max_unread_bytes),
        log_(limits.log_bytes) {}
  ~kept_answer() override;

  [[nodiscard]] const std::string& client() const noexcept { return client_; }

  // answer_sink
  void refuse(api_error error) override;
  void answer(ordered_json whole) override;
  void admit(std::unique_ptr<answer_writer> writer, std::unique_ptr<completion> handle) override;
  void push(completion_event event) override;
  [[nodiscard]] bool is_dropped() const override;

  /// A reader comes, and is woken when there is something for it; and goes.
  [[nodiscard]] reader_id open(actors::http_waker waker);
  void close(reader_id reader, clock::time_point now);

  /// An error, or the head of the stream; nothing as long as it is not known.
  [[nodiscard]] std::optional<actors::http_reply> reply();
  /// The next bytes from `offset` on; `abort` if they are gone.
  [[nodiscard]] actors::http_exchange::next read(std::uint64_t& offset, std::string& out);
  /// Whether the stream can be read from `offset`, now or later.
  [[nodiscard]] bool has(std::uint64_t offset);
  /// Gives all readers a sign of life if nothing has come for long.
  void keep_alive(clock::time_point now);

  /// Cancels what has not ended. Readers see the end of what came.
  void drop();
  /// Nobody has read it for `linger`.
  [[nodiscard]] bool is_abandoned(clock::time_point now) const;
  /// The last event has come, or there was an error.
  [[nodiscard]] bool has_ended() const;

private:
  void take_events();
  void wake_readers();

  const std::string client_;
  const kept_limits limits_;

  event_inbox inbox_;

  mutable std::mutex mutex_; // guards what follows
  std::optional<actors::http_reply> known_;
  std::unique_ptr<answer_writer> arrived_; ///< until the server's thread has taken it
  std::map<reader_id, actors::http_waker> readers_;
  reader_id next_reader_ = 1;
  clock::time_point left_ = clock::now(); ///< when the last reader went
  bool has_ended_ = false;

  // The server's thread alone.
  std::unique_ptr<answer_writer> writer_;
  answer_log log_;
  clock::time_point last_bytes_ = clock::now();
};

} // namespace larql::serve
