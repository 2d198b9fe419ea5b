#include "cli/laptop/session_answer.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace larql::cli {

namespace {

/// Events on their way from the pass thread.
class event_queue {
public:
  void push(actors::session_event e) {
    const auto lock = std::scoped_lock{mutex_};
    events_.push_back(std::move(e));
    pushed_.notify_one();
  }

  /// All that have come; none if `stop` was requested first.
  std::vector<actors::session_event> wait(const std::stop_token& stop) {
    auto lock = std::unique_lock{mutex_};
    pushed_.wait(lock, stop, [&] { return !events_.empty(); });
    return std::exchange(events_, {});
  }

private:
  std::mutex mutex_;
  std::condition_variable_any pushed_;
  std::vector<actors::session_event> events_;
};

} // namespace

result<void> session_outcome::done() const {
  if (end.failed)
    return *end.failed;
  return {};
}

session_outcome ask(const actors::session_client& client, actors::session_request request,
                    const std::function<void(const generate::generation::step_result&)>& on_step,
                    const std::function<void(std::uint32_t)>& on_read,
                    const std::stop_token& stop) {
  const auto events = std::make_shared<event_queue>();
  auto admitted = client.generate(
      std::move(request), [events](actors::session_event e) { events->push(std::move(e)); });
  auto out = session_outcome{};
  if (admitted.refused) {
    out.refused = true;
    out.end.failed = std::move(admitted.refused->error);
    return out;
  }
  auto watched = stop; // until it is requested
  for (;;) {
    auto came = events->wait(watched);
    if (watched.stop_requested()) {
      watched = {};
      admitted.answer.cancel();
    }
    for (auto& e : came) {
      if (const auto* progress = std::get_if<actors::prompt_progress>(&e)) {
        on_read(progress->tokens);
      } else if (const auto* step = std::get_if<actors::answer_step>(&e)) {
        on_step(step->given);
      } else if (auto* end = std::get_if<actors::answer_end>(&e)) {
        out.end = std::move(*end);
        return out;
      }
    }
  }
}

} // namespace larql::cli
