#include "runtime/grammar/regex.hpp"

#include "runtime/grammar/regex_parser.hpp"

#include <utility>
#include <vector>

namespace larql::grammar {

namespace {

// A few repetitions are written out; only more need a count while they run.
constexpr std::uint32_t few_repetitions = 8;

using term = regex_term;

class writer {
public:
  writer(network_builder& net, value_style style) : net_(net), style_(style) {}

  // An expression between anything, where anchors do not say otherwise.
  // @pre a sequence, or alternatives
  result<node_id> whole(const term& t, node_id next) {
    if (t.what == term::kind::alternatives) {
      auto starts = std::vector<node_id>{};
      for (const auto& part : t.parts) {
        LARQL_TRY(const auto start, whole(part, next));
        starts.push_back(start);
      }
      return net_.any_of(starts);
    }
    auto inner = t;
    auto open_begin = true, open_end = true;
    // "^(a|b)$" has its anchors around the group, "^a|b$" in its alternatives.
    auto& parts = inner.parts;
    if (parts.size() == 1 &&
        (parts[0].what == term::kind::alternatives || parts[0].what == term::kind::sequence))
      return whole(term{parts[0]}, next);
    if (!parts.empty() && parts.front().what == term::kind::begin) {
      open_begin = false;
      parts.erase(parts.begin());
    }
    if (!parts.empty() && parts.back().what == term::kind::end) {
      open_end = false;
      parts.pop_back();
    }
    LARQL_TRY(const auto start, add(inner, open_end ? anything(next) : next));
    return open_begin ? anything(start) : start;
  }

private:
  node_id anything(node_id next) {
    const auto loop = net_.step();
    add_any_character(net_, loop, style_, loop);
    net_.free(loop, next);
    net_.mark_text(loop, style_ == value_style::json ? text_kind::json : text_kind::any, false);
    return loop;
  }

  result<node_id> add(const term& t, node_id next) {
    if (net_.full())
      return next;
    switch (t.what) {
    case term::kind::characters: {
      const auto node = net_.step();
      add_characters(net_, node, t.set, style_, next);
      return node;
    }
    case term::kind::sequence:
      for (auto i = t.parts.size(); i-- > 0;) {
        LARQL_TRY(next, add(t.parts[i], next));
      }
      return next;
    case term::kind::alternatives: {
      auto starts = std::vector<node_id>{};
      for (const auto& part : t.parts) {
        LARQL_TRY(const auto start, add(part, next));
        starts.push_back(start);
      }
      return net_.any_of(starts);
    }
    case term::kind::repeat: return add_repeat(t, next);
    case term::kind::begin:
    case term::kind::end:
      return fail(errc::unsupported, "a pattern with ^ or $ inside it is not supported");
    }
    return next;
  }

  result<node_id> add_repeat(const term& t, node_id next) {
    const auto& part = t.parts[0];
    const auto empty = part.may_be_empty();
    const auto min = empty ? 0 : t.min; // nothing is a repetition as well
    if (t.max == unbounded && min <= few_repetitions) {
      const auto loop = net_.step();
      LARQL_TRY(const auto again, add(part, loop));
      net_.free(loop, again);
      net_.free(loop, next);
      auto start = loop;
      for (auto i = std::uint32_t{0}; i < min; ++i) {
        LARQL_TRY(start, add(part, start));
      }
      return start;
    }
    if (t.max <= few_repetitions || empty) {
      if (t.max != unbounded && t.max > max_repetitions / 10 && empty)
        return fail(errc::unsupported,
                    "a pattern that repeats what may be empty {} times is not supported", t.max);
      auto start = next;
      for (auto i = t.max; i-- > 0;) {
        LARQL_TRY(const auto more, add(part, start));
        start = i >= min ? net_.optional(more, next) : more;
      }
      return start;
    }
    LARQL_TRY(const auto callee, add(part, net_.end()));
    return net_.repeat(callee, min, t.max, next);
  }

  network_builder& net_;
  value_style style_;
};

} // namespace

result<node_id> add_regex(network_builder& net, std::string_view expression, value_style style,
                          node_id next) {
  LARQL_TRY(const auto parsed, parse_regex(expression));
  return writer{net, style}.whole(parsed, next);
}

} // namespace larql::grammar
