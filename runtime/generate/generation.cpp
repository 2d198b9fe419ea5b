#include "runtime/generate/generation.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <cmath>
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

generation::step_result generation::step(std::span<const float> logits, const draft_tree& drafts,
                                         sampling_scratch& scratch) {
  LARQL_CHECK(!ended() && logits.size() % (drafts.size() + 1) == 0);
  const auto vocab = logits.size() / (drafts.size() + 1);
  auto out = step_result{};
  for (auto draft = std::int32_t{-1}; !ended();) {
    const auto row = logits.subspan(static_cast<std::size_t>(draft + 1) * vocab, vocab);
    const auto mask = constraint_.mask();
    const auto token = count_ < options_.script.size()
                           ? options_.script[count_]
                           : sampler_.choose(row, index(), scratch, mask.get());
    if (is_stop_token(token)) {
      reason_ = end_reason::stop_token;
      break;
    }
    if (options_.logprobs)
      out.logprobs.push_back(
          logprobs_of(row, token, *options_.logprobs, *scratch.kernels, scratch.terms));
    add(token, out);
    draft = drafts.child(draft, token);
    if (draft < 0)
      break;
    out.accepted.push_back(static_cast<std::uint32_t>(draft));
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

// A token whose logit becomes -infinity; it comes only where all others do as well.
bool generation::never_comes(std::uint32_t token) const noexcept {
  const auto& bias = options_.sampling.bias;
  return std::any_of(bias.begin(), bias.end(),
                     [&](const auto& b) { return b.first == token && b.second == -INFINITY; });
}

void generation::prune(draft_tree& drafts) const {
  const auto most = std::min(options_.max_tokens, room_);
  const auto left = most - std::min(most, count_);
  auto keep = std::vector<bool>(drafts.size());
  auto behind = std::vector<grammar::constraint>(constraint_.is_active() ? drafts.size() : 0);
  for (auto i = std::size_t{0}; i < drafts.size(); ++i) {
    const auto token = drafts.tokens[i];
    const auto parent = drafts.parents[i];
    // The row of a draft gives the token behind it, so it is of no use as the last one.
    keep[i] = (parent < 0 || keep[static_cast<std::size_t>(parent)]) && drafts.depth(i) < left &&
              !is_stop_token(token) && !never_comes(token);
    if (!keep[i] || behind.empty())
      continue;
    auto& own = behind[i];
    own = parent < 0 ? constraint_ : behind[static_cast<std::size_t>(parent)];
    if (const auto mask = own.mask(); mask != nullptr && !mask->allows(token))
      keep[i] = false;
    else
      own.accept(token);
  }
  drafts.keep_only(keep);
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
