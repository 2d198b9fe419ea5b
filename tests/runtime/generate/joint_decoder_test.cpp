// Mirrors runtime/generate/joint_decoder.hpp.

#include "runtime/generate/joint_decoder.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;

struct joint : testing::Test {
  test::tiny_vindex vindex;
  std::unique_ptr<test::running_model> model = *test::running_model::open(vindex.path());
  std::vector<std::unique_ptr<session>> owned;

  session* new_session(std::size_t prompt, std::uint64_t seed) {
    owned.push_back(model->new_session());
    if (prompt != 0) {
      EXPECT_TRUE(succeeds(owned.back()->append(test::random_ids(prompt, 128, seed))));
    }
    return owned.back().get();
  }
};

std::vector<float> copy(std::span<const float> x) {
  return {x.begin(), x.end()};
}

TEST_F(joint, EverySessionGetsTheBitsThatItGetsAlone) {
  // Lengths on both sides of the window, and an empty one.
  const auto prompts = std::vector<std::size_t>{1, 0, 40, 7, 13};
  auto together = std::vector<session*>{}, alone = std::vector<session*>{};
  for (auto i = std::size_t{0}; i < prompts.size(); ++i) {
    together.push_back(new_session(prompts[i], i));
    alone.push_back(new_session(prompts[i], i));
  }
  auto decoder = joint_decoder{model->model(), model->compute(), model->port()};
  for (auto step = 0u; step < 12; ++step) {
    const auto tokens = test::random_ids(prompts.size(), 128, 100 + step);
    ASSERT_TRUE(succeeds(decoder.append(together, tokens)));
    const auto all = copy(*decoder.logits());
    for (auto i = std::size_t{0}; i < prompts.size(); ++i) {
      ASSERT_TRUE(succeeds(alone[i]->append({&tokens[i], 1})));
      const auto want = copy(*alone[i]->last_logits());
      EXPECT_EQ(std::vector(all.begin() + static_cast<std::ptrdiff_t>(i * want.size()),
                            all.begin() + static_cast<std::ptrdiff_t>((i + 1) * want.size())),
                want)
          << "session " << i << ", step " << step;
      EXPECT_EQ(copy(*together[i]->last_logits()), want);
    }
  }
  // And each goes on alone as if it had never been in company.
  for (auto i = std::size_t{0}; i < prompts.size(); ++i) {
    const auto more = test::random_ids(5, 128, 999);
    ASSERT_TRUE(succeeds(together[i]->append(more)));
    ASSERT_TRUE(succeeds(alone[i]->append(more)));
    EXPECT_EQ(copy(*together[i]->last_logits()), copy(*alone[i]->last_logits()));
  }
}

TEST_F(joint, ABadTokenOfOneLeavesAllAsTheyWere) {
  const auto sessions = std::vector<session*>{new_session(3, 1), new_session(5, 2)};
  auto decoder = joint_decoder{model->model(), model->compute(), model->port()};
  const auto tokens = std::vector<std::uint32_t>{1, 128};
  EXPECT_TRUE(
      fails(decoder.append(sessions, tokens), errc::usage, {"token id 128", "vocabulary of 128"}));
  EXPECT_EQ(sessions[0]->tokens().size(), 3u);
  EXPECT_EQ(sessions[1]->tokens().size(), 5u);
}

TEST_F(joint, CanBeCancelledAndGoesOn) {
  const auto sessions = std::vector<session*>{new_session(3, 1), new_session(5, 2)};
  auto decoder = joint_decoder{model->model(), model->compute(), model->port()};
  const auto tokens = std::vector<std::uint32_t>{1, 2};
  decoder.cancelled = [] { return true; };
  EXPECT_TRUE(fails(decoder.append(sessions, tokens), errc::cancelled, {"stopped at layer 0"}));
  EXPECT_EQ(sessions[0]->tokens().size(), 3u);
  decoder.cancelled = nullptr;
  EXPECT_TRUE(succeeds(decoder.append(sessions, tokens)));
  EXPECT_EQ(sessions[1]->tokens().size(), 6u);
}

} // namespace
} // namespace larql::generate
