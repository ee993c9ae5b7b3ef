// text/jinja/value.h - what template expressions work on: Python's values, immutable but for namespaces.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "text/quoted_text.h"

namespace hearth::text::jinja {

class Value;
class Interpreter;
struct BigInteger;  // integer.cpp's own
using Values = std::vector<Value>;

// Arguments of a call, stars unpacked.
struct Arguments {
    Values positional;
    std::vector<std::pair<std::string, Value>> named;
    Values quoted_names;  // those of `named` that others wrote: keys of a dict behind two stars

    // The name as a text of its own.
    [[nodiscard]] Value name_value(const std::string& name) const;
};

// list, tuple, and things that iterate without being either.
enum class SequenceKind : std::uint8_t { list, tuple, range, keys, values, items, generator };
struct Sequence;
struct Dict;

// Things with behavior: functions, macros, namespaces, loops.
class Object : public std::enable_shared_from_this<Object> {
  public:
    virtual ~Object() = default;
    [[nodiscard]] virtual std::string_view type_name() const = 0;
    [[nodiscard]] virtual std::optional<Value> attribute(std::string_view name) const;
    [[nodiscard]] virtual bool callable() const { return false; }
    virtual Value call(Interpreter& interpreter, const Arguments& arguments);
    [[nodiscard]] virtual std::string print() const;
    [[nodiscard]] virtual Author author() const { return Author::trusted; }  // of what it prints
    int depth = 0;  // of the values that it holds for good; see value_depth
};

class Value {
  public:
    Value() : data_(Undefined{}) {}  // undefined
    explicit Value(bool value) : data_(value) {}
    explicit Value(std::int64_t value) : data_(value) {}
    explicit Value(double value) : data_(value) {}
    explicit Value(std::string text, bool markup = false, Author author = Author::trusted)
        : data_(Text{std::make_shared<const std::string>(std::move(text)), nullptr, author, markup}) {}
    explicit Value(QuotedText text, bool markup = false);
    explicit Value(const char* text) : Value(std::string(text)) {}
    explicit Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
    explicit Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}
    explicit Value(std::shared_ptr<const BigInteger> integer) : data_(std::move(integer)) {}
    static Value none() { return Value(None{}); }
    // `why` is what using it says: "'x' is undefined".
    static Value undefined(std::string why) {
        return Value(Undefined{std::make_shared<const std::string>(std::move(why))});
    }
    static Value sequence(SequenceKind kind, Values items);
    static Value list(Values items) { return sequence(SequenceKind::list, std::move(items)); }
    static Value tuple(Values items) { return sequence(SequenceKind::tuple, std::move(items)); }

    [[nodiscard]] bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
    [[nodiscard]] bool is_none() const { return std::holds_alternative<None>(data_); }
    [[nodiscard]] bool is_boolean() const { return std::holds_alternative<bool>(data_); }
    [[nodiscard]] bool is_integer() const {  // not boolean
        return std::holds_alternative<std::int64_t>(data_) || is_big();
    }
    [[nodiscard]] bool is_big() const {  // an integer beyond 64 bits: see integer.h
        return std::holds_alternative<std::shared_ptr<const BigInteger>>(data_);
    }
    [[nodiscard]] bool is_float() const { return std::holds_alternative<double>(data_); }
    [[nodiscard]] bool is_number() const { return is_boolean() || is_integer() || is_float(); }
    [[nodiscard]] bool is_text() const { return std::holds_alternative<Text>(data_); }
    [[nodiscard]] bool is_markup() const { return is_text() && std::get<Text>(data_).markup; }
    [[nodiscard]] bool is_sequence() const {
        return std::holds_alternative<std::shared_ptr<Sequence>>(data_);
    }
    [[nodiscard]] bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(data_); }
    [[nodiscard]] bool is_object() const { return std::holds_alternative<std::shared_ptr<Object>>(data_); }

    // Each needs its kind.
    [[nodiscard]] bool boolean() const { return std::get<bool>(data_); }
    // Booleans too. Throws TemplateError beyond 64 bits.
    [[nodiscard]] std::int64_t integer() const;
    // Integers and booleans too, rounded. Throws TemplateError for those beyond all doubles.
    [[nodiscard]] double number() const;
    [[nodiscard]] const BigInteger& big() const {
        return *std::get<std::shared_ptr<const BigInteger>>(data_);
    }
    [[nodiscard]] const std::string& text() const { return *std::get<Text>(data_).text; }
    // Who wrote the text, or the strictest of them; the ranges when there are several, else null.
    [[nodiscard]] Author author() const { return std::get<Text>(data_).author; }
    [[nodiscard]] const QuotedRanges* ranges() const { return std::get<Text>(data_).ranges.get(); }
    // A part of this text: `piece` is a view into it.
    [[nodiscard]] Value part(std::string_view piece) const;
    [[nodiscard]] Sequence& sequence() const { return *std::get<std::shared_ptr<Sequence>>(data_); }
    [[nodiscard]] const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
    [[nodiscard]] const std::shared_ptr<const Dict>& dict_pointer() const {
        return std::get<std::shared_ptr<const Dict>>(data_);
    }
    [[nodiscard]] const std::shared_ptr<Object>& object() const {
        return std::get<std::shared_ptr<Object>>(data_);
    }
    [[nodiscard]] std::string why_undefined() const;

    // Is it the same thing in memory (Python's `is`)?
    [[nodiscard]] bool same_as(const Value& other) const;

  private:
    struct Undefined {
        std::shared_ptr<const std::string> why;
    };
    struct None {};
    struct Text {
        std::shared_ptr<const std::string> text;
        std::shared_ptr<const QuotedRanges> ranges;
        Author author = Author::trusted;
        bool markup = false;
    };
    using Data =
        std::variant<Undefined, None, bool, std::int64_t, double, Text, std::shared_ptr<Sequence>,
                     std::shared_ptr<const Dict>, std::shared_ptr<Object>, std::shared_ptr<const BigInteger>>;
    explicit Value(Undefined value) : data_(std::move(value)) {}
    explicit Value(None value) : data_(value) {}
    explicit Value(std::shared_ptr<Sequence> value) : data_(std::move(value)) {}
    Data data_;
};

struct RangeBounds {
    Value start, stop, step;  // integers
};

struct Sequence {
    SequenceKind kind = SequenceKind::list;
    Values items;
    bool is_group = false;                     // a tuple of groupby: its items are `grouper` and `list` too
    std::size_t taken = 0;                     // generators give their items once: those given already
    std::shared_ptr<const RangeBounds> range;  // as it was made
    int depth = 1;
};

struct ValueHash {
    std::size_t operator()(const Value& value) const;
};
struct ValueEqual {
    bool operator()(const Value& a, const Value& b) const;
};

// Ordered by first insertion, as Python's.
struct Dict {
    std::vector<std::pair<Value, Value>> items;
    std::unordered_map<Value, std::size_t, ValueHash, ValueEqual> index;
    int depth = 1;

    void set(Value key, Value value);  // throws TemplateError for a key that cannot be one
    [[nodiscard]] const Value* find(const Value& key) const;
    [[nodiscard]] const Value* find(std::string_view key) const { return find(Value(std::string(key))); }
};

// How deep a value nests: 0 for a scalar. Building one deeper than kValueDepthMax throws, so that printing,
// comparing and freeing values can recurse. Namespaces and the scopes of macros count as 0: the interpreter
// takes them apart itself.
inline constexpr int kValueDepthMax = 800;
int value_depth(const Value& value);
int deeper_than(const Value& value);  // value_depth + 1, checked

// Python's name of the type, as error messages have it: "str", "dict", "list".
std::string_view type_name(const Value& value);
bool truthy(const Value& value);  // may throw: a sequence's length is needed
bool equal(const Value& a, const Value& b);
// Order for <, sort, min and max: negative, 0, positive. Throws TemplateError for types without order.
int compare(const Value& a, const Value& b, std::string_view op = "<");

std::string to_text(const Value& value);  // Python's str
std::string repr(const Value& value);     // Python's repr
// The same onto a text, with who wrote what.
void append_text(QuotedText& out, const Value& value);
void append_repr(QuotedText& out, const Value& value);
void append_part(QuotedText& out, const Value& text, std::size_t begin, std::size_t end);
// The strictest author of any text in a value. For what mixes texts beyond telling them apart.
Author author_of(const Value& value);
Author author_at(const Value& text, std::size_t at);  // of one byte
// `map` over a text, part by part of one author each, if that gives the same as over the whole.
template <class Map>
Value map_text(const Value& self, Map&& map) {
    std::string whole = map(self.text());
    if (self.ranges() != nullptr) {
        QuotedText out;
        const std::string_view text = self.text();
        const auto take = [&](std::size_t begin, std::size_t end, Author author) {
            if (begin < end) out.append(map(text.substr(begin, end - begin)), author);
        };
        std::size_t at = 0;
        for (const QuotedRange& range : *self.ranges()) {
            take(at, range.begin, Author::trusted);
            take(range.begin, range.end, range.author);
            at = range.end;
        }
        take(at, text.size(), Author::trusted);
        if (out.text == whole) return Value(std::move(out), self.is_markup());
    }
    return Value(std::move(whole), self.is_markup(), self.author());
}
void append_text_repr(std::string& out, std::string_view text);
std::string float_repr(double value);

// len(). Throws TemplateError for what has none.
std::int64_t length(const Value& value);
std::int64_t text_length(std::string_view text);  // in code points

// Items for a loop; characters of a text, keys of a dict. Throws TemplateError for what does not iterate.
Values iterate(const Value& value);

// The next item of a generator, which has it no longer.
std::optional<Value> take_next(Sequence& generator);

// The integer that an argument must be (booleans count). Throws TemplateError naming `what`.
std::int64_t as_integer(const Value& value, std::string_view what);
const std::string& as_text(const Value& value, std::string_view what);

}  // namespace hearth::text::jinja
