namespace CdpFunctions.Tests.Api;

/// <summary>The system's clock, set forward by a test. Timers and measured spans go on as ever.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long ticks;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddTicks(Interlocked.Read(ref ticks));

    public void Advance(TimeSpan span) => Interlocked.Add(ref ticks, span.Ticks);
}
