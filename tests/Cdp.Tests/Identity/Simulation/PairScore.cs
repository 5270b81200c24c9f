namespace Cdp.Tests.Identity.Simulation;

/// <summary>Of the pairs of events that stand together in one profile, how many belong together; and of those that belong together, how many stand together.</summary>
internal sealed record PairScore(double Precision, double Recall)
{
    public static PairScore Of<TFound, TTrue>(IReadOnlyCollection<(TFound Found, TTrue True)> events)
    {
        var right = Pairs(events.GroupBy(e => e));
        return new PairScore(Ratio(right, Pairs(events.GroupBy(e => e.Found))), Ratio(right, Pairs(events.GroupBy(e => e.True))));
    }

    public override string ToString() => $"precision {Precision:F4}, recall {Recall:F4}";

    private static long Pairs<TKey, TElement>(IEnumerable<IGrouping<TKey, TElement>> groups) => groups.Select(g => g.LongCount()).Sum(n => n * (n - 1) / 2);

    private static double Ratio(long part, long whole) => whole == 0 ? 1 : (double)part / whole;
}
