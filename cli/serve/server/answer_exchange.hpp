// One request for an answer of the model, between the thread of the HTTP server, which asks for
// bytes, a worker, which reads the request and starts the answer, and the threads that deliver its
// events.
//
//   worker:   body → prepare() → backend.start() ─┬─► refused: an error with a status
//                                                 └─► admitted: status 200, now or with the whole
//   backend:  events ─► inbox, at most max_unread_bytes, then the sequence is paused
//   server:   inbox ─► answer_writer ─► bytes
//
// A client that has left drops the exchange, which cancels the answer wherever it is.
//
// Owner     The server has the exchange; worker and backend share its inner state.
// Threads   As above; the inner state has a mutex that nobody holds while anything else is called.

#pragma once

#include "actors/net/http_server.hpp"
#include "cli/serve/server/answer_sink.hpp"
#include "cli/serve/server/event_inbox.hpp"
#include "cli/serve/server/prepare.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace larql::serve {

struct answer_limits {
  std::size_t max_unread_bytes = 1 << 20;          ///< of events; then the sequence is paused
  std::size_t max_whole_bytes = 64 << 20;          ///< of an answer that is not streamed
  std::chrono::milliseconds longest_pause{30'000}; ///< then the connection is cut
  std::chrono::milliseconds keep_alive{10'000};    ///< of silence, then a comment
};

/// The state that the threads share.
class answer_state final : public answer_sink {
public:
  /// `headers` are added to the reply, whatever it is.
  answer_state(protocol shape, std::vector<actors::http_header> headers,
               const answer_limits& limits, actors::http_waker waker)
      : shape_(shape),
        headers_(std::move(headers)),
        limits_(limits),
        waker_(std::move(waker)),
        inbox_(limits.max_unread_bytes) {}

  // answer_sink
  void refuse(api_error error) override;
  void answer(ordered_json whole) override;
  void admit(std::unique_ptr<answer_writer> writer, std::unique_ptr<completion> handle) override;
  void push(completion_event event) override;
  [[nodiscard]] bool is_dropped() const override;

private:
  friend class answer_exchange;
  [[nodiscard]] std::deque<completion_event> take();

  const protocol shape_;
  const std::vector<actors::http_header> headers_;
  const answer_limits limits_;
  const actors::http_waker waker_;

  event_inbox inbox_;

  std::mutex mutex_; // guards what follows
  std::optional<actors::http_reply> known_;
  std::unique_ptr<answer_writer> writer_; ///< until the server's thread has taken it
};

class answer_exchange final : public actors::http_exchange {
public:
  explicit answer_exchange(std::shared_ptr<answer_state> state) : state_(std::move(state)) {}
  ~answer_exchange() override;

  [[nodiscard]] std::optional<actors::http_reply> reply() override;
  [[nodiscard]] next read(std::string& out) override;
  [[nodiscard]] bool tick(clock::time_point now) override;

private:
  [[nodiscard]] bool take_writer();
  [[nodiscard]] std::optional<actors::http_reply> whole_reply();
  [[nodiscard]] actors::http_reply finished(actors::http_reply reply) const;

  std::shared_ptr<answer_state> state_;
  std::unique_ptr<answer_writer> writer_;
  completion_result result_; // of an answer that is not streamed
  std::size_t result_bytes_ = 0;
  bool has_begun_ = false; // the stream
  bool has_ended_ = false;
  clock::time_point last_bytes_ = clock::now();
  bool wants_keep_alive_ = false;
};

} // namespace larql::serve
