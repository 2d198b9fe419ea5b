// The answers of the page by their ids: those that are read, and those that somebody may come back
// for.
//
// Owner     The API's service.
// Threads   Any.

#pragma once

#include "cli/serve/server/kept_answer.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace larql::serve {

class kept_answers {
public:
  explicit kept_answers(const kept_limits& limits) : limits_(limits) {}
  /// Cancels them all.
  ~kept_answers();
  kept_answers(const kept_answers&) = delete;
  kept_answers& operator=(const kept_answers&) = delete;

  struct place {
    std::shared_ptr<kept_answer> answer; ///< null: too many are kept, or the id is another client's
    bool is_new = false;                 ///< it has to be asked for
    bool is_full = false;                ///< too many
  };
  /// The answer of this id; a new one if there is none. A request that came twice is one answer.
  [[nodiscard]] place open(const std::string& id, const std::string& client);
  /// Null if there is none, or if it is another client's.
  [[nodiscard]] std::shared_ptr<kept_answer> find(const std::string& id,
                                                  std::string_view client) const;

  /// Cancels and forgets what nobody has read for long.
  void sweep(kept_answer::clock::time_point now);
  [[nodiscard]] std::size_t size() const;

private:
  [[nodiscard]] bool make_room();

  const kept_limits limits_;
  mutable std::mutex mutex_; // guards what follows
  std::map<std::string, std::shared_ptr<kept_answer>, std::less<>> answers_;
};

/// A reader's connection.
class kept_exchange final : public actors::http_exchange {
public:
  /// `headers` are added to the reply, whatever it is.
  kept_exchange(std::shared_ptr<kept_answer> answer, std::uint64_t offset,
                std::vector<actors::http_header> headers, actors::http_waker waker)
      : answer_(std::move(answer)),
        offset_(offset),
        headers_(std::move(headers)),
        reader_(answer_->open(std::move(waker))) {}
  ~kept_exchange() override { answer_->close(reader_, clock::now()); }

  [[nodiscard]] std::optional<actors::http_reply> reply() override;
  [[nodiscard]] next read(std::string& out) override { return answer_->read(offset_, out); }
  [[nodiscard]] bool tick(clock::time_point now) override {
    answer_->keep_alive(now);
    return true;
  }

private:
  std::shared_ptr<kept_answer> answer_;
  std::uint64_t offset_;
  std::vector<actors::http_header> headers_;
  kept_answer::reader_id reader_;
};

} // namespace larql::serve
