// A conversation that is much longer than the window, turn by turn: no turn reads again what it
// read before, whatever the template does to past answers (generate/answer.hpp,
// generate/sequence.hpp).

#include "runtime/generate/answer.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

// As Gemma 4's template does: the generation prompt ends with an empty thought, which past answers
// do not have, so that each prompt parts from the one before it just before the last answer.
struct chat_format {
  ids turn_begin{1, 2}, turn_end{3}, thought{4, 5, 6};

  [[nodiscard]] ids prompt(const std::vector<ids>& messages) const {
    auto out = ids{0};
    const auto add = [&](const ids& x) { out.insert(out.end(), x.begin(), x.end()); };
    for (const auto& m : messages) {
      add(turn_begin);
      add(m);
      add(turn_end);
    }
    add(turn_begin);
    add(thought);
    return out;
  }
};

constexpr auto turns = 20u;
constexpr auto message_tokens = 150u, answer_tokens = 150u; // 300 a turn

TEST(Conversation, NoTurnReadsMoreThanItsNewTokensAndTheLastAnswer) {
  auto o = test::tiny_options{};
  o.window = 1024;
  const auto v = test::tiny_vindex{o};
  auto options = test::run_options{};
  options.context = 8192;
  options.kv = gemma4::kv_format::f16;
  const auto model = *test::running_model::open(v.path(), options);
  const auto talk = model->new_sequence();
  auto scratch = sampling_scratch{model->compute().k};
  auto g = generation_options{};
  g.max_tokens = answer_tokens;

  const auto format = chat_format{};
  const auto markers = format.turn_begin.size() + format.turn_end.size();
  auto messages = std::vector<ids>{};
  for (auto turn = 0u; turn < turns; ++turn) {
    SCOPED_TRACE(turn);
    messages.push_back(test::random_ids(message_tokens, 128, turn));
    const auto prompt = format.prompt(messages);
    const auto mark = marked_position{boundary::turn, static_cast<std::uint32_t>(prompt.size())};
    auto answered = ids{};
    auto stats = answer_stats{};
    auto making = generation{g};
    ASSERT_TRUE(succeeds(answer(
        model->executor(), *talk, {reuse(*talk, prompt), {&mark, 1}}, making, scratch,
        [&](const generation::step_result& step) {
          answered.insert(answered.end(), step.tokens.begin(), step.tokens.end());
        },
        {}, stats)));
    const auto new_tokens =
        message_tokens + 2 * markers + format.turn_begin.size() + format.thought.size();
    EXPECT_LE(stats.prompt_tokens, new_tokens + (turn == 0 ? 1 : answer_tokens));

    if (turn % 6 == 5 || turn + 1 == turns) { // a cold run gives the same
      const auto cold = model->new_sequence();
      auto same = ids{};
      auto again = generation{g};
      ASSERT_TRUE(succeeds(answer(
          model->executor(), *cold, {prompt}, again, scratch,
          [&](const generation::step_result& step) {
            same.insert(same.end(), step.tokens.begin(), step.tokens.end());
          },
          {}, stats)));
      EXPECT_EQ(answered, same);
    }
    messages.push_back(answered);
  }
}

} // namespace
} // namespace larql::generate
