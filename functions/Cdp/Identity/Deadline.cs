namespace Cdp.Identity;

/// <summary>
/// How long one message may be worked on. Its lock is ten minutes in the Functions host, and what a second delivery would do is only waste; and
/// the work of others waits meanwhile.
/// </summary>
public readonly struct Deadline(TimeProvider time, TimeSpan allowed)
{
    private readonly long started = time.GetTimestamp();

    public bool IsOver => time.GetElapsedTime(started) >= allowed;
}
