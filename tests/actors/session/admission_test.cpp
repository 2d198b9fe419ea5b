// Mirrors actors/session/admission.hpp: each bound, exactly reached and exceeded by one.

#include "actors/session/admission.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

session_limits limits() {
  auto out = session_limits{};
  out.running = 4;
  out.waiting = 6;
  out.sessions = 2;
  out.context = 100;
  out.kv_bytes = 1000;
  return out;
}
const auto model = admission_model{128, 500};

session_request request(std::size_t tokens, std::size_t answers = 1) {
  auto r = session_request{};
  r.tokens.assign(tokens, 5);
  for (auto i = std::size_t{0}; i < answers; ++i)
    r.answers.emplace_back(generate::generation_options{});
  return r;
}

void expect_refused(const std::optional<refusal>& r, refusal_kind kind, std::uint64_t found,
                    std::uint64_t limit, std::string_view part) {
  ASSERT_TRUE(r);
  EXPECT_EQ(r->kind, kind);
  EXPECT_EQ(r->found, found);
  EXPECT_EQ(r->limit, limit);
  EXPECT_NE(r->error.text.find(part), std::string::npos) << r->error.text;
}

TEST(Admission, AnOrdinaryRequestComesIn) {
  EXPECT_FALSE(refuse_request(request(10), limits(), {}, model));
  EXPECT_FALSE(refuse_request(request(10, 0), limits(), {}, model));
  EXPECT_FALSE(refuse_session(limits(), {}));
}

TEST(Admission, APromptMayFillTheContextAndNoMore) {
  EXPECT_FALSE(refuse_request(request(100), limits(), {}, model));
  expect_refused(refuse_request(request(101), limits(), {}, model), refusal_kind::too_long, 101,
                 100, "101 tokens do not fit the context of 100");
}

TEST(Admission, AnEmptyPromptNeedsASession) {
  expect_refused(refuse_request(request(0), limits(), {}, model), refusal_kind::invalid, 0, 1,
                 "empty");
  auto r = request(0);
  r.session = 3;
  EXPECT_FALSE(refuse_request(r, limits(), {}, model));
}

TEST(Admission, TokensAreOfTheVocabulary) {
  auto r = request(10);
  r.tokens[7] = 127;
  EXPECT_FALSE(refuse_request(r, limits(), {}, model));
  r.tokens[7] = 128;
  expect_refused(refuse_request(r, limits(), {}, model), refusal_kind::invalid, 128, 127,
                 "token id 128");
}

TEST(Admission, TheQueueHasAnEndAndSaysWhenToComeBack) {
  auto state = admission_state{};
  state.open_answers = 9;
  state.usual_answer = std::chrono::seconds{40};
  EXPECT_FALSE(refuse_request(request(10), limits(), state, model));
  const auto r = refuse_request(request(10, 2), limits(), state, model);
  expect_refused(r, refusal_kind::queue_full, 9, 10, "9 answers");
  EXPECT_EQ(r->retry_after, std::chrono::seconds{10});
  state.usual_answer = std::chrono::hours{40};
  EXPECT_EQ(refuse_request(request(10, 2), limits(), state, model)->retry_after,
            std::chrono::seconds{60});
}

TEST(Admission, MoreAnswersThanAreComputedAtATimeMakeNoSense) {
  EXPECT_FALSE(refuse_request(request(10, 4), limits(), {}, model));
  expect_refused(refuse_request(request(10, 5), limits(), {}, model), refusal_kind::invalid, 5, 4,
                 "5 answers");
  auto r = request(10, 2);
  r.session = 1;
  expect_refused(refuse_request(r, limits(), {}, model), refusal_kind::invalid, 2, 1, "session");
}

TEST(Admission, APromptThatCannotFitTheMemoryIsRefusedAtOnce) {
  EXPECT_FALSE(refuse_request(request(10), limits(), {}, {128, 1000}));
  expect_refused(refuse_request(request(10), limits(), {}, {128, 1001}), refusal_kind::no_memory,
                 1001, 1000, "KV memory");
  auto unbounded = limits();
  unbounded.kv_bytes = 0;
  EXPECT_FALSE(refuse_request(request(10), unbounded, {}, {128, 1001}));
}

TEST(Admission, SessionsAreCounted) {
  auto state = admission_state{};
  state.sessions = 1;
  EXPECT_FALSE(refuse_session(limits(), state));
  state.sessions = 2;
  expect_refused(refuse_session(limits(), state), refusal_kind::too_many_sessions, 2, 2, "open");
}

TEST(Admission, AServiceThatIsEndingTakesNothing) {
  auto state = admission_state{};
  state.ending = true;
  EXPECT_EQ(refuse_request(request(10), limits(), state, model)->kind, refusal_kind::ending);
  EXPECT_EQ(refuse_session(limits(), state)->kind, refusal_kind::ending);
}

} // namespace
} // namespace larql::actors
