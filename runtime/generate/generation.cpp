#include "runtime/generate/generation.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <utility>

namespace larql::generate {

generation::generation(generation_options options, std::optional<text::utf8_stream> reader)
    : options_(std::move(options)),
      sampler_(options_.sampling),
      constraint_(std::exchange(options_.constraint, {})),
      stream_(std::move(reader)),
      matcher_(options_.stop_texts) {
  check_limits();
}

generation::generation(generation_options options, text::output_reader reader)
    : generation(std::move(options)) {
  reader_ = std::move(reader);
}

bool generation::is_stop_token(std::uint32_t token) const noexcept {
  const auto& stops = options_.stop_tokens;
  return std::find(stops.begin(), stops.end(), token) != stops.end();
}

void generation::check_limits() noexcept {
  if (ended())
    return;
  if (count_ >= options_.max_tokens)
    reason_ = end_reason::max_tokens;
  else if (count_ >= room_)
    reason_ = end_reason::context_full;
}

void generation::set_room(std::size_t tokens) {
  room_ = tokens > ~std::size_t{0} - count_ ? ~std::size_t{0} : count_ + tokens;
  check_limits();
}

generation::step_result generation::step(std::span<const float> logits,
                                         std::span<const std::uint32_t> drafts,
                                         sampling_scratch& scratch) {
  LARQL_CHECK(!ended() && logits.size() % (drafts.size() + 1) == 0);
  const auto vocab = logits.size() / (drafts.size() + 1);
  auto out = step_result{};
  for (auto j = std::size_t{0}; j <= drafts.size() && !ended(); ++j) {
    const auto row = logits.subspan(j * vocab, vocab);
    const auto mask = constraint_.mask();
    const auto token = sampler_.choose(row, index(), scratch, mask.get());
    if (is_stop_token(token)) {
      reason_ = end_reason::stop_token;
      break;
    }
    if (options_.logprobs)
      out.logprobs.push_back(
          logprobs_of(row, token, *options_.logprobs, *scratch.kernels, scratch.terms));
    add(token, out);
    if (j < drafts.size() && drafts[j] != token)
      break;
  }
  return out;
}

void generation::add(std::uint32_t token, step_result& out) {
  sampler_.add(token);
  constraint_.accept(token);
  out.tokens.push_back(token);
  ++count_;
  read(token, out);
  if (matcher_.matched())
    reason_ = end_reason::stop_text;
  check_limits();
}

generation::step_result generation::take(std::uint32_t token) {
  LARQL_CHECK(!ended());
  auto out = step_result{};
  add(token, out);
  return out;
}

void generation::end(end_reason reason) noexcept {
  if (!ended())
    reason_ = reason;
}

void generation::stop() noexcept {
  if (!ended())
    reason_ = end_reason::stopped;
}

void generation::read(std::uint32_t token, step_result& out) {
  if (stream_)
    out.text += matcher_.append(stream_->append(token));
  if (!reader_)
    return;
  auto events = std::vector<text::output_event>{};
  reader_->append(token, events);
  out.parts.push_back(reader_->part());
  give(std::move(events), out);
}

// Stop texts are looked for in content; nothing behind one is given.
void generation::give(std::vector<text::output_event> events, step_result& out) {
  for (auto& e : events) {
    if (matcher_.matched())
      return;
    if (e.what == text::output_event::kind::content) {
      give_content(matcher_.append(e.text), out);
    } else {
      // Content that goes on behind something else is another text.
      give_content(matcher_.flush(), out);
      out.events.push_back(std::move(e));
    }
  }
}

void generation::give_content(std::string text, step_result& out) const {
  if (text.empty())
    return;
  out.text += text;
  if (!out.events.empty() && out.events.back().what == text::output_event::kind::content)
    out.events.back().text += text;
  else
    out.events.push_back({text::output_event::kind::content, std::move(text)});
}

namespace {

// What the reader makes of a character that is not finished.
void drop_unfinished(std::vector<text::output_event>& events) {
  if (events.empty() || !events.back().text.ends_with(text::replacement_character))
    return;
  auto& text = events.back().text;
  text.resize(text.size() - text::replacement_character.size());
  if (text.empty())
    events.pop_back();
}

} // namespace

generation::step_result generation::finish() {
  auto out = step_result{};
  if (stream_) {
    const auto unfinished = stream_->flush();
    out.text = matcher_.append(is_cut(reason_) ? std::string{} : unfinished);
  }
  if (reader_) {
    auto events = std::vector<text::output_event>{};
    reader_->finish(events);
    if (is_cut(reason_))
      drop_unfinished(events);
    give(std::move(events), out);
    give_content(matcher_.flush(), out);
  } else {
    out.text += matcher_.flush();
  }
  return out;
}

} // namespace larql::generate
