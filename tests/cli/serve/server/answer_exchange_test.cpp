// Mirrors cli/serve/server/answer_exchange.hpp, with the test in place of server, worker and model.

#include "cli/serve/server/answer_exchange.hpp"

#include "cli/serve/openai/chat_writer.hpp"
#include "tests/cli/serve/fake_backend.hpp"
#include "tests/cli/serve/json_check.hpp"

namespace larql::serve {
namespace {

using namespace std::chrono_literals;
using actors::http_exchange;

class AnswerExchange : public testing::Test {
protected:
  void begin(bool stream) {
    state = std::make_shared<answer_state>(
        protocol::openai, std::vector<actors::http_header>{{"x-request-id", "req_1"}}, limits,
        actors::http_waker{});
    exchange = std::make_unique<answer_exchange>(state);
    streams = stream;
  }
  /// What a worker does with a request that is admitted.
  test::fake_backend::started_ptr admit() {
    auto handle = backend.start({}, [to = state](completion_event e) { to->push(std::move(e)); });
    EXPECT_TRUE(handle);
    auto writer = std::make_unique<openai::chat_writer>(
        test::identity(), openai::chat_writer::options{streams, false, false, 1});
    state->admit(std::move(writer), *std::move(handle));
    return backend.wait_for(backend.count() - 1);
  }
  static bool has_header(const actors::http_reply& r, std::string_view name) {
    for (const auto& h : r.headers)
      if (h.first == name)
        return true;
    return false;
  }

  answer_limits limits;
  test::fake_backend backend;
  std::shared_ptr<answer_state> state;
  std::unique_ptr<answer_exchange> exchange;
  bool streams = false;
};

TEST_F(AnswerExchange, AStreamHasItsStatusAsSoonAsItIsAdmitted) {
  begin(true);
  EXPECT_FALSE(exchange->reply());
  const auto model = admit();
  const auto reply = exchange->reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200u);
  EXPECT_TRUE(reply->is_stream);
  EXPECT_TRUE(has_header(*reply, "x-request-id"));
  auto out = std::string{};
  EXPECT_EQ(exchange->read(out), http_exchange::next::more); // the role
  EXPECT_NE(out.find("assistant"), std::string::npos);
  out.clear();
  EXPECT_EQ(exchange->read(out), http_exchange::next::wait);
  for (auto& e : test::plain_answer())
    model->push(e);
  EXPECT_EQ(exchange->read(out), http_exchange::next::end);
  EXPECT_TRUE(out.ends_with("data: [DONE]\n\n"));
}

TEST_F(AnswerExchange, AWholeAnswerComesAtItsEnd) {
  begin(false);
  const auto model = admit();
  EXPECT_FALSE(exchange->reply());
  auto events = test::plain_answer();
  for (auto i = std::size_t{0}; i + 1 < events.size(); ++i)
    model->push(events[i]);
  EXPECT_FALSE(exchange->reply());
  model->push(events.back());
  const auto reply = exchange->reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(test::json_of(reply->body)["choices"][0]["message"]["content"], "Hello");
}

TEST_F(AnswerExchange, ARefusalHasItsStatusAndHeaders) {
  begin(true);
  auto error = api_error{error_kind::too_many, "the queue is full"};
  error.retry_after_seconds = 3;
  state->refuse(error);
  const auto reply = exchange->reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 429u);
  EXPECT_FALSE(reply->is_stream);
  EXPECT_TRUE(has_header(*reply, "Retry-After"));
}

TEST_F(AnswerExchange, AFailureBeforeTheEndOfAWholeAnswerIsItsStatus) {
  begin(false);
  const auto model = admit();
  for (auto& e : test::failing_answer())
    model->push(e);
  EXPECT_EQ(exchange->reply()->status, 503u);
}

TEST_F(AnswerExchange, AClientThatLeavesCancels) {
  begin(true);
  const auto model = admit();
  EXPECT_FALSE(model->cancelled);
  exchange.reset();
  EXPECT_TRUE(model->cancelled);
  model->push(text_delta{0, "nobody listens"}); // harmless
}

TEST_F(AnswerExchange, AClientThatLeftBeforeTheStartCancelsToo) {
  begin(true);
  exchange.reset();
  EXPECT_TRUE(state->is_dropped());
  EXPECT_TRUE(admit()->cancelled);
}

TEST_F(AnswerExchange, UnreadOutputPausesAndReadingResumes) {
  limits.max_unread_bytes = 10'000;
  begin(true);
  const auto model = admit();
  auto pushed = 0;
  while (!model->paused && pushed < 10'000) {
    model->push(text_delta{0, std::string(100, 'x')});
    ++pushed;
  }
  EXPECT_TRUE(model->paused);
  EXPECT_LT(pushed, 100);
  ASSERT_TRUE(exchange->reply());
  auto out = std::string{};
  while (exchange->read(out) == http_exchange::next::more) {
  }
  EXPECT_FALSE(model->paused);
  EXPECT_EQ(model->pauses, 1);
  EXPECT_EQ(static_cast<int>(test::events_of(out).size()), pushed + 1);
}

TEST_F(AnswerExchange, AClientThatNeverReadsIsCut) {
  limits.max_unread_bytes = 1000;
  begin(true);
  const auto model = admit();
  for (auto i = 0; i < 100; ++i)
    model->push(text_delta{0, std::string(100, 'x')});
  const auto now = http_exchange::clock::now();
  EXPECT_TRUE(exchange->tick(now));
  EXPECT_TRUE(exchange->tick(now + 29s));
  EXPECT_FALSE(exchange->tick(now + 31s));
}

TEST_F(AnswerExchange, SilenceIsFilledWithComments) {
  begin(true);
  (void) admit();
  ASSERT_TRUE(exchange->reply());
  auto out = std::string{};
  EXPECT_EQ(exchange->read(out), http_exchange::next::more);
  out.clear();
  EXPECT_TRUE(exchange->tick(http_exchange::clock::now() + 1s));
  EXPECT_EQ(exchange->read(out), http_exchange::next::wait);
  EXPECT_TRUE(exchange->tick(http_exchange::clock::now() + 11s));
  EXPECT_EQ(exchange->read(out), http_exchange::next::more);
  EXPECT_TRUE(out.starts_with(":")) << out;
}

} // namespace
} // namespace larql::serve
