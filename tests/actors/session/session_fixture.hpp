// Requests for a scheduler or a session service over a tiny model, what became of them, and what
// must become of them: the tokens that a sequence of their own would get.

#pragma once

#include "actors/session/scheduler.hpp"
#include "runtime/generate/answer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <map>

namespace larql::test {

using ids = std::vector<std::uint32_t>;

/// What a client has heard of a request.
struct heard {
  std::map<std::uint32_t, ids> tokens; ///< by choice
  std::map<std::uint32_t, actors::answer_end> ends;
  std::vector<actors::prompt_progress> progress;
  std::function<void(const heard&)> on_token = [](const heard&) {};

  void take(actors::session_event e) {
    if (auto* p = std::get_if<actors::prompt_progress>(&e)) {
      progress.push_back(*p);
    } else if (auto* s = std::get_if<actors::answer_step>(&e)) {
      EXPECT_FALSE(ends.contains(s->choice)) << "a token after the end";
      auto& to = tokens[s->choice];
      to.insert(to.end(), s->given.tokens.begin(), s->given.tokens.end());
      on_token(*this);
    } else if (auto* end = std::get_if<actors::answer_end>(&e)) {
      EXPECT_TRUE(ends.emplace(end->choice, std::move(*end)).second) << "two ends";
    }
  }
  [[nodiscard]] generate::end_reason reason(std::uint32_t choice = 0) const {
    return ends.at(choice).reason;
  }
};

/// How one answer is to be generated.
inline generate::generation_options answer_of(std::size_t tokens, float temperature = 0,
                                              std::uint64_t seed = 1) {
  auto o = generate::generation_options{};
  o.max_tokens = tokens;
  o.sampling.temperature = temperature;
  o.sampling.seed = seed;
  return o;
}

class session_fixture : public testing::Test {
protected:
  explicit session_fixture(const tiny_options& shape = {}, std::uint32_t context = 600)
      : vindex_(shape) {
    auto o = run_options{};
    o.context = context;
    o.kv = gemma4::kv_format::f16;
    model_ = *running_model::open(vindex_.path(), o);
    options_.limits.context = context;
    options_.limits.running = 16;
  }

  static ids text(std::size_t n, std::uint64_t seed = 7) { return random_ids(n, 128, seed); }
  static ids joined(ids a, const ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  /// What a sequence of its own gives.
  ids alone(const ids& prompt, const generate::generation_options& o) {
    const auto s = model_->new_sequence();
    auto g = generate::generation{o};
    auto scratch = generate::sampling_scratch{model_->compute().k};
    auto stats = generate::answer_stats{};
    auto out = ids{};
    EXPECT_TRUE(succeeds(generate::answer(
        model_->executor(), *s, {prompt}, g, scratch,
        [&](const generate::generation::step_result& step) {
          out.insert(out.end(), step.tokens.begin(), step.tokens.end());
        },
        {}, stats)));
    return out;
  }

  static actors::session_request
  request(ids prompt, std::vector<generate::generation_options> answers, std::string client = "") {
    auto r = actors::session_request{};
    r.tokens = std::move(prompt);
    for (auto& o : answers)
      r.answers.emplace_back(std::move(o));
    r.client = std::move(client);
    return r;
  }

  tiny_vindex vindex_;
  std::unique_ptr<running_model> model_;
  actors::session_options options_;
};

/// A scheduler whose steps the test takes.
class scheduler_fixture : public session_fixture {
protected:
  using session_fixture::session_fixture;

  struct asked {
    actors::live_request_ptr live;
    std::shared_ptr<heard> got = std::make_shared<heard>();
    ids prompt;
    std::vector<generate::generation_options> answers;
  };

  void start() { start(model_->port()); }
  void start(experts::expert_port& port) {
    work_ = *actors::scheduler::create({model_->model(), model_->compute(), port}, options_);
    work_->on_ended = [this](actors::session_request_id id) { ended_.push_back(id); };
  }

  asked ask(actors::session_request r) {
    auto out = asked{};
    out.prompt = r.tokens;
    for (const auto& g : r.answers)
      out.answers.push_back(g.options());
    out.live = std::make_shared<actors::live_request>();
    out.live->id = ++last_id_;
    out.live->admitted = actors::session_clock::now();
    out.live->call.request = std::move(r);
    out.live->call.on_event = [got = out.got](actors::session_event e) { got->take(std::move(e)); };
    work_->add(out.live);
    return out;
  }
  asked ask(const ids& prompt, const generate::generation_options& o, std::string client = "") {
    return ask(request(prompt, {o}, std::move(client)));
  }

  /// Until nothing is left to do.
  void settle() {
    auto steps = 0;
    while (work_->step())
      ASSERT_LT(++steps, 1'000'000) << "it does not come to an end";
  }
  void cancel(const asked& a) {
    a.live->stop.request_stop();
    work_->look_again();
  }
  void pause(const asked& a, bool paused) {
    a.live->paused = paused;
    work_->look_again();
  }

  void expect_whole(const asked& a) {
    for (auto i = std::size_t{0}; i < a.answers.size(); ++i) {
      const auto choice = static_cast<std::uint32_t>(i);
      ASSERT_TRUE(a.got->ends.contains(choice));
      EXPECT_FALSE(a.got->ends.at(choice).failed) << a.got->ends.at(choice).failed->text;
      EXPECT_EQ(a.got->tokens[choice], alone(a.prompt, a.answers[i])) << "choice " << i;
    }
  }

  std::unique_ptr<actors::scheduler> work_;
  std::vector<actors::session_request_id> ended_;
  actors::session_request_id last_id_ = 0;
};

} // namespace larql::test
