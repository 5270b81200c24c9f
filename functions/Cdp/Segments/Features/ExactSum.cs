using System.Numerics;

namespace Cdp.Segments.Features;

/// <summary>
/// A sum of decimals without rounding, so that it does not depend on the order in which events arrive. Decimals round from the 29th digit on;
/// a sum that would is kept as a whole number of 10^-28.
/// </summary>
internal readonly record struct ExactSum
{
    private const int Scale = 28;
    private static readonly BigInteger MostUnits = Units(decimal.MaxValue);

    // Zero unless the sum is none of decimal's numbers.
    private readonly BigInteger units;
    private readonly decimal plain;

    public ExactSum(decimal value) => plain = value;

    private ExactSum(BigInteger units) => this.units = units;

    /// <summary>Rounded where it has to be; the largest decimal where it is beyond.</summary>
    public decimal Value => units.IsZero ? plain : Rounded();

    public ExactSum Plus(decimal value)
    {
        if (units.IsZero)
        {
            try
            {
                var sum = plain + value;
                if (sum.Scale == Math.Max(plain.Scale, value.Scale))
                    return new ExactSum(sum);
            }
            catch (OverflowException)
            {
                // Beyond decimals.
            }
        }

        return Of((units.IsZero ? Units(plain) : units) + Units(value));
    }

    public ExactSum Plus(ExactSum other) => other.units.IsZero ? Plus(other.plain) : Of((units.IsZero ? Units(plain) : units) + other.units);

    public void Write(StateWriter writer)
    {
        writer.Flag(!units.IsZero);
        if (units.IsZero)
        {
            writer.Decimal(plain);
            return;
        }

        var bytes = units.ToByteArray();
        writer.Count(bytes.Length);
        writer.Bytes(bytes);
    }

    public static ExactSum Read(ref StateReader reader) =>
        reader.Flag() ? Of(new BigInteger(reader.Bytes((ulong)reader.Count()))) : new ExactSum(reader.Decimal());

    /// <summary>Back to a decimal where one is equal.</summary>
    private static ExactSum Of(BigInteger units)
    {
        var scale = Scale;
        var rest = units;
        while (scale > 0 && BigInteger.Remainder(rest, 10).IsZero)
        {
            rest /= 10;
            scale--;
        }

        return scale >= 0 && BigInteger.Abs(rest) < BigInteger.One << 96 ? new ExactSum(Decimal(rest, scale)) : new ExactSum(units);
    }

    private decimal Rounded()
    {
        if (BigInteger.Abs(units) >= MostUnits)
            return units.Sign > 0 ? decimal.MaxValue : decimal.MinValue;
        var rest = units;
        var scale = Scale;
        while (BigInteger.Abs(rest) >= BigInteger.One << 96)
        {
            rest /= 10;
            scale--;
        }

        return Decimal(rest, scale);
    }

    private static decimal Decimal(BigInteger value, int scale)
    {
        var bits = BigInteger.Abs(value);
        var mask = new BigInteger(uint.MaxValue);
        return new decimal((int)(uint)(bits & mask), (int)(uint)((bits >> 32) & mask), (int)(uint)((bits >> 64) & mask), value.Sign < 0, (byte)scale);
    }

    private static BigInteger Units(decimal value)
    {
        Span<int> bits = stackalloc int[4];
        decimal.GetBits(value, bits);
        var number = (new BigInteger((uint)bits[2]) << 64) | (new BigInteger((uint)bits[1]) << 32) | (uint)bits[0];
        var scaled = number * BigInteger.Pow(10, Scale - value.Scale);
        return bits[3] < 0 ? -scaled : scaled;
    }
}
