namespace CdpFunctions.Local.Runtime;

/// <summary>The pause before the next look at an empty queue: 100 ms after a message, then doubling (with a fifth of jitter) up to a maximum.</summary>
internal sealed class PollingBackoff(TimeSpan maximum, Func<double> random)
{
    public static readonly TimeSpan Minimum = TimeSpan.FromMilliseconds(100);
    private const double Jitter = 0.2;
    private int _empty;

    public void Reset() => _empty = 0;

    public TimeSpan Next()
    {
        var growth = Math.Pow(2, _empty) - 1;
        var pause = Minimum + (Minimum * (growth * (1 - Jitter + (2 * Jitter * random()))));
        if (pause >= maximum) return maximum;
        _empty++;
        return pause;
    }
}
