using System.Text;
using Cdp.Segments.Language;

namespace Cdp.Segments;

/// <summary>Conditions in words, for explanations: <c>event Product Viewed count >= 2 within 90d</c>.</summary>
internal static class ConditionText
{
    public static string Of(Condition condition)
    {
        var text = new StringBuilder();
        switch (condition)
        {
            case TraitCondition trait:
                text.Append("trait ").Append(trait.Trait.Text).Append(' ').AppendJoin(" and ", trait.Tests);
                break;
            case EventCondition e:
                if (e.Pick != EventPick.Every)
                    text.Append(e.Pick == EventPick.First ? "first " : "last ");
                Append(text.Append("event "), e.Pattern);
                foreach (var measure in e.Measures)
                {
                    text.Append(' ').Append(measure.Aggregate.Name());
                    if (measure.Path is { } path)
                        text.Append(" of ").Append(path.Text);
                    text.Append(' ').AppendJoin(" and ", measure.Tests);
                }

                if (e.Window is { } window)
                    text.Append(' ').Append(window);
                break;
            case SequenceCondition sequence:
                Append(text, sequence);
                break;
            case SegmentCondition segment:
                text.Append("segment ").Append(segment.Segment);
                break;
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, SequenceCondition sequence)
    {
        for (var i = 0; i < sequence.Steps.Length; i++)
            Append(text.Append(i == 0 ? "event " : " then "), sequence.Steps[i]);
        if (sequence.Absent is { } absent)
            Append(text.Append(" then no "), absent);
        if (sequence.By is { } by)
            text.Append(" with the same ").Append(by.Text);
        if (sequence.Within is { } within)
            text.Append(" within ").Append(within);
        if (sequence.Expires is { } expires)
            text.Append(", expires after ").Append(expires);
    }

    private static void Append(StringBuilder text, EventPattern pattern)
    {
        text.Append(pattern.Event);
        for (var i = 0; i < pattern.Where.Length; i++)
            text.Append(i == 0 ? " where " : " and ").Append(pattern.Where[i].Path.Text).Append(' ').AppendJoin(" and ", pattern.Where[i].Tests);
        if (pattern.On is { } on)
            text.Append(" on ").Append(on);
    }
}
