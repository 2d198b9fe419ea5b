#include "cli/laptop/session_answer.hpp"

#include "cli/laptop/event_queue.hpp"

#include <memory>

namespace larql::cli {

namespace {

// How often a caller hears that nothing has come.
constexpr auto look_interval = std::chrono::milliseconds{200};

} // namespace

result<void> session_outcome::done() const {
  if (end.failed)
    return *end.failed;
  return {};
}

session_outcome ask(const actors::session_client& client, actors::session_request request,
                    const answer_listener& listener, const std::stop_token& stop) {
  const auto events = std::make_shared<event_queue<actors::session_event>>();
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
    auto came = events->wait(watched, look_interval);
    if (watched.stop_requested()) {
      watched = {};
      admitted.answer.cancel();
    }
    if (came.empty() && listener.on_wait)
      listener.on_wait();
    for (auto& e : came) {
      if (const auto* progress = std::get_if<actors::prompt_progress>(&e)) {
        listener.on_read(*progress);
      } else if (const auto* step = std::get_if<actors::answer_step>(&e)) {
        listener.on_step(step->given);
      } else if (auto* end = std::get_if<actors::answer_end>(&e)) {
        out.end = std::move(*end);
        return out;
      }
    }
  }
}

} // namespace larql::cli
